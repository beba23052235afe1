"""What every room may use: errors, settings, the environment, words and formats."""
