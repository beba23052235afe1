"""The container of the app and of the monitoring."""
