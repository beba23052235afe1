"""What the workflows do beyond the targets that a person types: they report to GitHub."""
