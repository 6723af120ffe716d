"""Trains the bundled model for sounds: a narrow CNN6 of the PANNs family."""
