"""The containers around the library, and the commands that steer them."""
