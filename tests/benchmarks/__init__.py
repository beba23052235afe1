"""The speed table of the README, and the scripts a user would write instead."""
