"""What a file says, in the schema's words: its columns, its words, its numbers; never a guess."""
