"""The points of a map, in pages that fit into a message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1.library_map_pb2 import LibraryMap, MapPoint

from gateway.maps.projection import Places
from serving.errors import Reason, ServiceError

PAGE_BYTES = 3 * 2**20
"""Bytes of points in one answer, less than the 4 MiB that gRPC clients accept by default."""


class Points:
    """The points of a map, and a tag that changes with any of them."""

    def __init__(self, points: Sequence[MapPoint]) -> None:
        """Cuts the points into pages."""
        packed = [point.SerializeToString(deterministic=True) for point in points]
        self.etag = hashlib.sha256(b"".join(packed)).hexdigest()[:24]
        self._pages = [range(0)]
        start = size = 0
        for end, each in enumerate(packed, 1):
            size += len(each) + 6  # the field's number and length
            if size > PAGE_BYTES:
                start, size = end - 1, len(each) + 6
                self._pages.append(range(0))
            self._pages[-1] = range(start, end)
        self._points = points

    def add_page(self, answer: LibraryMap, token: str) -> None:
        """Puts the page that a token names into an answer.

        Raises:
            ServiceError: FIELD_INVALID if the token is of another map.
        """
        tag, _, number = token.rpartition(":")
        page = int(number) if number.isdecimal() and number.isascii() and len(number) < 5 else 0
        if token and (tag != self.etag or page >= len(self._pages)):
            raise ServiceError(
                Reason.FIELD_INVALID,
                "page_token: the map has changed since, or the token is of another one; begin "
                "again without it",
                {"field": "page_token"},
            )
        here = self._pages[page]
        answer.points.extend(self._points[here.start : here.stop])
        if page + 1 < len(self._pages):
            answer.next_page_token = f"{self.etag}:{page + 1}"


def join(ids: Sequence[str], places: Places, clips: Mapping[str, Clip]) -> Points:
    """The points of the ACTIVE clips, joined by id, never by position. This takes a while."""
    points = []
    for id_, (x, y) in zip(ids, places.tolist(), strict=True):
        if clip := clips.get(id_):
            points.append(
                MapPoint(
                    clip=clip.name,
                    x=x,
                    y=y,
                    label=clip.label,
                    speaker=clip.speaker,
                    display_name=clip.display_name,
                    duration=clip.audio.duration,
                )
            )
    return Points(points)
