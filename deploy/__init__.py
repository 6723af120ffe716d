"""Starts the services: in containers, as a local stack, and for the demo."""
