"""The logged quotes of a window, read in pieces and counted, and the reference beside them."""
