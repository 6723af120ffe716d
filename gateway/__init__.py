"""Orchestrates search and ingest across the services; command line and Python client."""
