"""What is judged of a window: data quality, drift, performance, service."""
