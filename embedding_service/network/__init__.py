"""Turns samples into vectors: the network and the engine that runs it."""
