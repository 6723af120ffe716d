"""Python client of a gateway."""

from audiosearch_client.client import AudiosearchClient

__all__ = ["AudiosearchClient"]
