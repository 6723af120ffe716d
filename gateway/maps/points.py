"""The points of a map, in pages that fit into a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1.library_map_pb2 import LibraryMap, MapPoint

from gateway.byte_pages import Pages
from gateway.maps.projection import Places


class Points(Pages[MapPoint]):
    """The points of a map, and a tag that changes with any of them."""

    def add_page(self, answer: LibraryMap, token: str) -> None:
        """Puts the page that a token names into an answer.

        Raises:
            ServiceError: FIELD_INVALID if the token is of another map.
        """
        points, answer.next_page_token = self.page(token, "the map has")
        answer.points.extend(points)


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
