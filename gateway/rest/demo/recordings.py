"""The recording in a request to the earlier demo's routes: an upload, or a file of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from fastapi import Request

from gateway.imports.folder import read_file
from gateway.rest.demo.contract import channel, needed, table
from gateway.rest.demo.tables import check_import, find_file, library_of
from gateway.rest.messages.multipart import Allowed, read_form
from gateway.rest.parts import Parts


class Recording(NamedTuple):
    """A recording, and the library that the request is about."""

    library: str
    file_name: str
    chunks: AsyncIterator[bytes]
    channel: int
    """The channel to hear, counted from 1; 0 for all, mixed to one."""


async def read_upload(parts: Parts, request: Request) -> Recording:
    """The first file of an uploaded form; other fields are ignored."""
    library = library_of(table(request, "channel"), parts)
    heard = channel(request)
    kind = request.headers.get("content-type", "")
    form = await read_form(kind, request.stream(), Allowed(others=True))
    return Recording(library, form.first.name, form.chunks(), heard)


async def read_server_file(parts: Parts, request: Request, field: str, *also: str) -> Recording:
    """The file of the server that a field of the query names; needs the right to import.

    Args:
        parts: of the gateway.
        request: its query holds the field, the table and nothing that the route does not take.
        field: the parameter that holds the path.
        also: other parameters that the route takes.
    """
    library = library_of(table(request, field, "channel", *also), parts)
    heard = channel(request)
    check_import(parts, request, library)
    path = await find_file(parts, needed(request, field), field)
    return Recording(library, path.name, read_file(path, parts.settings.roots()), heard)
