"""`audiosearch import`."""
