"""What monitoring speaks of: windows, assessments with their verdicts, incidents. Pure."""
