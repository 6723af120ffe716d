"""Libraries: made, opened and removed."""
