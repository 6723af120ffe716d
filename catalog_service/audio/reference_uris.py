"""URIs of audio that lies elsewhere: their grammar, and the operator's list of those allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from serving.errors import Reason, ServiceError
from serving.objects import urls

SETTING = "AUDIOSEARCH_REFERENCE_URLS"
FOLDERS = "file://"
_UNSAFE = {"", ".", ".."}
_FORM = (
    "must be s3://BUCKET/KEY, gs:// or az://, or file:///FOLDER/FILE with %XX for other than plain "
    "characters, without empty parts, . and .."
)


class Place(NamedTuple):
    """A file, a folder, an object, or the begin of keys."""

    root: str
    """The bucket, as `s3://bucket`; FOLDERS for files."""
    path: str
    """Its key, or its path without the first `/`; empty for all of a bucket."""

    @property
    def uri(self) -> str:
        """Its URI."""
        path = quote(self.path) if self.root == FOLDERS else self.path
        return f"{self.root}/{path}"

    def has(self, other: Place) -> bool:
        """True if the other place is this one or below it."""
        if self.root != other.root:
            return False
        return not self.path or other.path == self.path or other.path.startswith(f"{self.path}/")

    def below(self, path: str) -> Place:
        """A place below this one."""
        return Place(self.root, f"{self.path}/{path}" if self.path else path)


def parse(uri: str, *, prefix: bool = False) -> Place:
    """Reads the URI of audio; ValueError if it is none.

    As a `prefix` it is that of a folder, or of a begin of keys, and one `/` at its end counts for
    nothing.
    """
    place = _place(uri.removesuffix("/") if prefix else uri)
    if place is None or "\0" in place.path or not (place.path or prefix):
        raise ValueError(_FORM)
    if place.path and not _UNSAFE.isdisjoint(place.path.split("/")):
        raise ValueError(_FORM)
    return place


def _place(uri: str) -> Place | None:
    if urls.is_url(uri):
        return Place(*urls.split(uri)) if urls.is_whole(uri) and not uri.endswith("/") else None
    text = uri.removeprefix(f"{FOLDERS}/")
    if text == uri or "?" in text or "#" in text:
        return None
    try:
        return Place(FOLDERS, unquote(text, errors="strict"))
    except UnicodeDecodeError:
        return None


def split(text: str) -> list[Place]:
    """Reads a list of prefixes, separated by commas; ValueError if one of them is wrong."""
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        try:
            place = parse(each, prefix=True)
        except ValueError as error:
            raise ValueError(f"{each!r} is no prefix of audio: it {error}") from error
        found.append(place)
    return found


class Allowed:
    """The places that clips may refer to."""

    def __init__(self, prefixes: Sequence[Place]) -> None:
        """Takes the operator's list."""
        self.prefixes = prefixes

    def has(self, place: Place) -> bool:
        """True if a place may be read."""
        return any(prefix.has(place) for prefix in self.prefixes)

    def place(self, uri: str, field: str, *, prefix: bool = False) -> Place:
        """Reads the URI of a request.

        Raises:
            ServiceError: FIELD_INVALID, or PATH_NOT_ALLOWED, whatever is there.
        """
        try:
            place = parse(uri, prefix=prefix)
        except ValueError as error:
            raise ServiceError(
                Reason.FIELD_INVALID, f"{field}: {uri!r} {error}", {"field": field}
            ) from error
        if not self.has(place):
            raise not_allowed(uri)
        return place


def not_allowed(uri: str) -> ServiceError:
    """Returns PATH_NOT_ALLOWED, which names the setting."""
    return ServiceError(
        Reason.PATH_NOT_ALLOWED,
        f"{uri} is not below a place that clips may refer to; the operator of this server names "
        f"such places in {SETTING} of the catalog. Uploads need none",
    )
