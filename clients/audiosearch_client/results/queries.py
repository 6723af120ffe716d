"""Sounds that are searched with, kept for a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from audiosearch.catalog.v1 import query_pb2

from audiosearch_client.results.view import View, last, moment
from serving.names import library_of_query


class KeptQuery(View[query_pb2.Query]):
    """A sound that is searched with, kept for a time. It is no clip: no search finds it."""

    @property
    def full_name(self) -> str:
        """`libraries/{library}/queries/{query}`, which calls take, as they take the query."""
        return self.message.name

    @property
    def id(self) -> str:
        """The last part of its full name."""
        return last(self.message.name)

    @property
    def library(self) -> str:
        """The short name of its library."""
        return last(library_of_query(self.message.name))

    @property
    def name(self) -> str:
        """The name for people, mostly that of its file."""
        return self.message.display_name

    @property
    def expires(self) -> datetime:
        """Time of its removal, in UTC."""
        return moment(self.message.expire_time)

    def _told(self) -> Iterator[str]:
        yield repr(self.name or self.id)
        yield f"until {self.expires:%Y-%m-%d}"
