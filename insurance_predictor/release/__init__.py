"""A run becomes a version, is judged by the gate, and goes into production and back."""
