"""The map of a library: its clips in two dimensions, with similar clips close together."""
