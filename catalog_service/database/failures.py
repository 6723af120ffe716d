"""The drivers' errors as typed errors; defects of ours stay as they are."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
from collections.abc import Iterator

import structlog
from sqlalchemy import exc

from serving.errors import Reason, ServiceError

FULL = {errno.ENOSPC, errno.EDQUOT}
"""Errors of the system that tell of a full disk."""
log = structlog.get_logger()
_CONFLICTS = {1205, 1213, 1020}  # lock wait, deadlock, row changed since read
_FULL = {1021, 1114, 3675}  # disk full, table full, tablespace full
# The server is gone, going, not there yet, turns us away, or gave up on the statement.
_GONE = {
    1040,
    1042,
    1043,
    1044,
    1045,
    1047,
    1049,
    1053,
    1077,
    1079,
    1080,
    1129,
    1130,
    1146,
    1152,
    1153,
    1158,
    1159,
    1160,
    1161,
    1184,
    1203,
    1226,
    1290,
    1317,
    1792,
    1836,
    1927,
    1969,
    3024,
    4031,
}
_SQLITE_GONE = (
    "locked",
    "busy",
    "unable to open",
    "disk i/o error",
    "readonly",
    "interrupted",
    "no such table",
    "malformed",
)
_SQLITE_FULL = "disk is full"
# A server that can't write tells the system's number: Got error 28 from storage engine.
_SERVER_FULL = re.compile(rf"\b(?:errno:|errcode:|error) (?:{errno.ENOSPC}|{errno.EDQUOT})\b")


def is_conflict(error: BaseException) -> bool:
    """Says that another transaction was in the way, so that the same work may pass now."""
    return isinstance(error, exc.OperationalError) and _number(error) in _CONFLICTS


def translate(error: BaseException, seconds: float) -> Exception:
    """The typed error for a failure of the database; the failure itself if it is our defect."""
    if isinstance(error, (exc.TimeoutError, TimeoutError, asyncio.TimeoutError)):
        return _unavailable(
            error, f"the catalog's database did not answer within {seconds:.3g} s; try again"
        )
    if isinstance(error, exc.DBAPIError) and _is_full(error):
        log.error("catalog.full", why=str(error.orig))
        return ServiceError(
            Reason.STORAGE_FULL,
            "the disk of the catalog's database is full; "
            "delete something or ask the operator for room",
        )
    if isinstance(error, ConnectionError) or (
        isinstance(error, exc.DBAPIError) and _is_gone(error)
    ):
        return _unavailable(error, "the catalog's database does not answer; try again")
    return error if isinstance(error, Exception) else RuntimeError(repr(error))


@contextlib.contextmanager
def typed_os() -> Iterator[None]:
    """Makes an OSError of the block a typed error."""
    try:
        yield
    except OSError as error:
        raise translate_os(error) from error


def translate_os(error: OSError) -> ServiceError:
    """The typed error for a failure of the audio folder."""
    if error.errno in FULL:
        log.error("audio.full", why=str(error))
        return ServiceError(
            Reason.STORAGE_FULL,
            "the disk that keeps the audio is full; delete clips or ask the operator for room",
        )
    log.error("audio.unavailable", why=str(error))
    return ServiceError(
        Reason.CATALOG_UNAVAILABLE,
        "the folder that keeps the audio can't be used; ask the operator, the log says why",
    )


def _unavailable(error: BaseException, message: str) -> ServiceError:
    cause = getattr(error, "orig", None) or error
    log.warning("catalog.unavailable", why=str(cause) or type(cause).__name__)
    return ServiceError(Reason.CATALOG_UNAVAILABLE, message)


def _number(error: exc.DBAPIError) -> int:
    """MySQL's number of an error; 0 when there is none."""
    first = error.orig.args[0] if error.orig and error.orig.args else 0
    return first if isinstance(first, int) else 0


def _is_full(error: exc.DBAPIError) -> bool:
    said = str(error.orig).lower()
    number = _number(error)
    if number:
        return number in _FULL or bool(_SERVER_FULL.search(said))
    return _SQLITE_FULL in said


def _is_gone(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(error, exc.InterfaceError):
        return True
    number = _number(error)
    if number:
        return number in _GONE or 2000 <= number < 3000
    return any(part in str(error.orig).lower() for part in _SQLITE_GONE)
