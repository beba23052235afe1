"""What is judged of a window (data quality, drift, performance, service), what it could have seen,
and its histograms.
"""
