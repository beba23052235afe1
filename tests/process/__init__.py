"""Whole commands and servers in processes of their own; README; what an import may cost."""
