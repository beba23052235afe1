"""One assessment as a page."""
