"""Reasons for which the catalog can't be opened, now or later, each with a way on."""

from __future__ import annotations

from alembic.util.exc import CommandError
from sqlalchemy import exc

from catalog_service.database.engines import Backend
from catalog_service.database.migrate import LostCatalogError

_COPY = "restore it from a copy, or move it aside to begin with an empty catalog"
_SQLITE = {
    "not a database": f"is no database that SQLite can read: {_COPY}",
    "malformed": f"is damaged: {_COPY}",
    "readonly": "can't be written: make its folder and its disk writable, or set "
    "AUDIOSEARCH_DATA_DIR to a folder that is",
    "unable to open": "can't be opened: make its folder and its disk readable and writable, or set "
    "AUDIOSEARCH_DATA_DIR to a folder that is",
    "disk i/o error": "can't be read or written, as its disk says: look at the disk",
    "disk is full": "can't be opened, because its disk is full: make room on it",
}


def refusal(error: Exception, backend: Backend) -> str | None:
    """Returns the sentence that ends a start; None if the same start may pass later."""
    where = str(backend.url.database) if backend.is_sqlite else backend.where
    if isinstance(error, LostCatalogError):
        return str(error)
    if isinstance(error, CommandError):
        return (
            f"the catalog {where} was made by a newer version of Audiosearch ({error}): start that "
            "version, or restore the catalog from a copy of before"
        )
    if not backend.is_sqlite:
        return None
    if isinstance(error, OSError):
        return (
            f"the catalog's folder can't be used: {error.strerror}: {error.filename}; set "
            "AUDIOSEARCH_DATA_DIR to a folder that can be written"
        )
    said = str(error.orig).lower() if isinstance(error, exc.DBAPIError) else ""
    told = next((sentence for part, sentence in _SQLITE.items() if part in said), None)
    return f"the catalog {where} {told}" if told else None
