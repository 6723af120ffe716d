"""Finds and reads the weights of the model."""
