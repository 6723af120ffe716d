"""One suite for every database of the catalog."""
