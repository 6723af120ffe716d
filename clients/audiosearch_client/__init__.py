"""Python client of a gateway: `Client`, and `AsyncClient` for event loops."""

from audiosearch_client.api.asynchronous import AsyncClient
from audiosearch_client.api.client import Client
from audiosearch_client.api.given import Like
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.results.clips import Clip, Library, Model
from audiosearch_client.results.imports import Import
from audiosearch_client.results.maps import Map
from audiosearch_client.results.queries import KeptQuery
from audiosearch_client.results.searches import Embedding, Match, SearchResult, Segment
from audiosearch_client.results.speakers import (
    Enrollment,
    Identification,
    Speaker,
    Verification,
)
from audiosearch_client.sounds import Sound
from serving.errors import Reason, ServiceError

__all__ = [
    "AsyncClient",
    "AudiosearchClient",
    "Client",
    "Clip",
    "Embedding",
    "Enrollment",
    "Identification",
    "Import",
    "KeptQuery",
    "Library",
    "Like",
    "Map",
    "Match",
    "Model",
    "Reason",
    "SearchResult",
    "Segment",
    "ServiceError",
    "Sound",
    "Speaker",
    "Verification",
]
