"""Starts the services: the local stack and the demo."""
