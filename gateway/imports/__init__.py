"""Imports of folders of the server."""
