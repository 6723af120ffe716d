"""Files of the pages, as they are sent: read and packed once."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Response

_COMMON = {"cache-control": "no-cache", "vary": "accept-encoding"}


@dataclass(frozen=True)
class Asset:
    """A file as it is sent, read and packed once, at the start.

    StaticFiles below a GZipMiddleware would send the same, packed anew for each answer on the event
    loop, and needs a subclass to keep back the files that are not for browsers.
    """

    plain: bytes
    packed: bytes
    media_type: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> Asset:
        """Reads a file and packs it, once."""
        plain = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        tag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
        return cls(plain, gzip.compress(plain, mtime=0), kind, tag)

    def answer(self, request: Request) -> Response:
        """Sends it, packed if the client takes that, or says that it is still the same."""
        headers = {**_COMMON, "etag": self.tag}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.plain, headers=headers, media_type=self.media_type)
        headers["content-encoding"] = "gzip"
        return Response(self.packed, headers=headers, media_type=self.media_type)
