"""Everything monitoring says, in Portuguese and in English."""
