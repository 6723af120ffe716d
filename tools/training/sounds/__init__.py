"""Sounds made by synthesis: classes to tell apart that are no speech."""
