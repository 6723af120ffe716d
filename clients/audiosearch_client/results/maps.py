"""The map of a library, drawn in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from audiosearch.gateway.v1.library_map_pb2 import LibraryMap, MapPoint

from audiosearch_client.results.view import View, last, seconds

_COLORS = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99"),
    *("#99ddff", "#ffaabb"),
)
"""Colours that are told apart also by those who see few."""

_OTHER = "#bbbbbb"
DRAWN = 4_000
"""Points that a notebook draws at most: each takes some 150 bytes of it."""

_SIZE, _EDGE, _LINE = 480, 16, 18


class Point(View[MapPoint]):
    """A clip on a map."""

    @property
    def clip(self) -> str:
        """The full name of the clip, which calls take."""
        return self.message.clip

    @property
    def x(self) -> float:
        """From left to right, in [-1, 1]."""
        return self.message.x

    @property
    def y(self) -> float:
        """From bottom to top, in [-1, 1]."""
        return self.message.y

    @property
    def name(self) -> str:
        """The clip's name for people."""
        return self.message.display_name

    @property
    def label(self) -> str:
        """The clip's label; may be empty."""
        return self.message.label

    @property
    def speaker(self) -> str:
        """The clip's speaker; may be empty."""
        return self.message.speaker

    @property
    def duration(self) -> float:
        """Length of its audio in seconds."""
        return seconds(self.message.duration)

    def _told(self) -> Iterator[str]:
        yield repr(self.name or last(self.clip))
        yield f"{self.x:.2f}"
        yield f"{self.y:.2f}"


class Map(View[LibraryMap]):
    """The clips of a library in two dimensions: those that sound alike lie together."""

    @property
    def library(self) -> str:
        """The short name of its library."""
        return self.message.name.split("/")[1]

    @property
    def points(self) -> list[Point]:
        """The clips that have a place: all, or 20,000 of more."""
        return [Point(each) for each in self.message.points]

    def _told(self) -> Iterator[str]:
        yield repr(self.library)
        yield f"{len(self.message.points):,} of {self.message.clip_count:,} clips"

    def _repr_svg_(self) -> str:
        points = self.points[:: -(-len(self.message.points) // DRAWN) or 1]
        kinds = sorted({point.label or point.speaker for point in points} - {""})
        colors = dict(zip(kinds, _COLORS, strict=False))
        drawn = "".join(_circle(point, colors) for point in points)
        legend = "".join(
            f"<circle cx='{_SIZE + 8}' cy='{_EDGE + n * _LINE}' r='5' fill='{color}'/>"
            f"<text x='{_SIZE + 20}' y='{_EDGE + 4 + n * _LINE}'>{escape(kind)}</text>"
            for n, (kind, color) in enumerate(colors.items())
        )
        width = _SIZE + (200 if colors else 0)
        told = escape(f"{', '.join(self._told())}, {len(points):,} drawn")
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{_SIZE}' "
            f"viewBox='0 0 {width} {_SIZE}' font-family='sans-serif' font-size='12' role='img'>"
            f"<title>{told}</title>{drawn}{legend}</svg>"
        )


def _circle(point: Point, colors: dict[str, str]) -> str:
    span = _SIZE / 2 - _EDGE
    x, y = _SIZE / 2 + point.x * span, _SIZE / 2 - point.y * span
    color = colors.get(point.label or point.speaker, _OTHER)
    told = " ".join(filter(None, (point.name, point.label, point.speaker)))
    return (
        f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4' fill='{color}' fill-opacity='0.75'>"
        f"<title>{escape(told)}</title></circle>"
    )
