"""Libraries: the commands about them, and the choice of a model."""
