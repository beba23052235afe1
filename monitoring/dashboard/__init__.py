"""All assessments so far as a page of the app."""
