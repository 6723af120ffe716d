"""Libraries: creation, reading and deletion."""
