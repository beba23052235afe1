"""What reports, messages and the dashboard say, in Portuguese and in English."""
