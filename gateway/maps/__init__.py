"""The map of a library: its clips in two dimensions, the more alike the nearer."""
