"""One module for each page, with `show(language)`."""
