"""The containers around the library: images, start-up, and the commands that steer them."""
