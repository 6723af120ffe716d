"""Samples to vectors: the network and how it is run."""
