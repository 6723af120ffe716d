"""`audiosearch clip ...`."""
