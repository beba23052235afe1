"""The steps from any earlier tables of monitoring to those of today."""
