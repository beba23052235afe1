"""The columns, said once, and how a table of them is found, read, checked, split and made up."""
