"""Matches of a search, and vectors."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from audiosearch.embedding.v1 import embedding_pb2, embedding_service_pb2
from audiosearch.gateway.v1 import search_pb2

from audiosearch_client.offsets import told_range
from audiosearch_client.results.clips import Clip
from audiosearch_client.results.view import View, last, seconds, table

_SHOWN_TAGS = 3
_BAR = 10
COLUMNS = (
    "#",
    "group",
    "score",
    "",
    "name",
    "seconds",
    "at",
    "tags",
    "label",
    "speaker",
    "library",
)


def remarks_of(audio: embedding_pb2.AudioProperties) -> tuple[str, ...]:
    """Remarks about audio that was heard all the same, such as `CUT_OFF`."""
    known = embedding_pb2.AudioRemark
    return tuple(
        known.Name(each).removeprefix("AUDIO_REMARK_")
        for each in audio.remarks
        if each in known.values()
    )


class Segment(View[search_pb2.Segment]):
    """A stretch of a clip that is like a stretch of the query. Times are in seconds."""

    @property
    def start(self) -> float:
        """Start in the clip."""
        return seconds(self.message.start_offset)

    @property
    def end(self) -> float:
        """End in the clip."""
        return seconds(self.message.end_offset)

    @property
    def query_start(self) -> float | None:
        """Start in the query; None if that is no audio."""
        known = self.message.HasField("query_start_offset")
        return seconds(self.message.query_start_offset) if known else None

    @property
    def query_end(self) -> float | None:
        """End in the query; None if that is no audio."""
        known = self.message.HasField("query_end_offset")
        return seconds(self.message.query_end_offset) if known else None

    @property
    def score(self) -> float:
        """Score of the most similar windows in it."""
        return round(self.message.score, 4)

    def _told(self) -> Iterator[str]:
        yield told_range(self.message.start_offset, self.message.end_offset)
        yield f"{self.score:.3f}"


class Match(View[search_pb2.Match]):
    """A clip that is like the query."""

    @property
    def clip(self) -> Clip:
        """The clip."""
        return Clip(self.message.clip)

    @property
    def score(self) -> float:
        """Cosine similarity in [-1, 1]; higher is more alike."""
        return round(self.message.score, 4)

    @property
    def segments(self) -> list[Segment]:
        """The stretches that are alike, the best first."""
        return [Segment(each) for each in self.message.segments]

    @property
    def group(self) -> str:
        """Value of the field that matches are grouped by."""
        return self.message.group

    @property
    def time_offset(self) -> float | None:
        """Begin of the query in the clip, in seconds, if both are likely the same recording."""
        known = self.message.coverage.HasField("time_offset")
        return seconds(self.message.coverage.time_offset) if known else None

    def _told(self) -> Iterator[str]:
        yield f"{self.score:.3f}"
        yield repr(self.clip.name or self.clip.id)


class SearchResult(View[search_pb2.SearchClipsResponse], Sequence[Match]):
    """The matches of a search, the most similar first. In a notebook it is a table."""

    @overload
    def __getitem__(self, index: int) -> Match: ...

    @overload
    def __getitem__(self, index: slice) -> list[Match]: ...

    def __getitem__(self, index: int | slice) -> Match | list[Match]:
        """A match by its place."""
        if isinstance(index, slice):
            return [Match(each) for each in self.message.matches[index]]
        return Match(self.message.matches[index])

    def __len__(self) -> int:
        """Number of matches."""
        return len(self.message.matches)

    @property
    def next_page(self) -> str:
        """The `page` of the next matches; empty on the last."""
        return self.message.next_page_token

    @property
    def advice(self) -> str:
        """A sentence on how to ask better; empty for most searches."""
        return self.message.advice

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks about the query's audio, such as `CUT_OFF` or `NO_SPEECH`."""
        return remarks_of(self.message.query_audio)

    @property
    def incomplete(self) -> list[str]:
        """Libraries that lack vectors just now, so that clips of theirs may be missing."""
        return [last(each.library) for each in self.message.incomplete]

    def rows(self) -> list[dict[str, object]]:
        """A dictionary for each match, which `pandas.DataFrame` takes."""
        return [
            {
                "score": match.score,
                "name": match.clip.name,
                "duration": match.clip.duration,
                "start": match.segments[0].start if match.segments else None,
                "end": match.segments[0].end if match.segments else None,
                "label": match.clip.label,
                "speaker": match.clip.speaker,
                "library": match.clip.library,
                "clip": match.clip.id,
            }
            for match in self
        ]

    def _told(self) -> Iterator[str]:
        yield f"{len(self)} {'match' if len(self) == 1 else 'matches'}"
        if self:
            yield f"best {self[0].score:.3f} {self[0].clip.name!r}"

    def _repr_html_(self) -> str:
        libraries = {match.clip.library for match in self}
        rows = [
            (
                *(str(rank), match.group, f"{match.score:.3f}"),
                "\N{FULL BLOCK}" * round(max(match.score, 0) * _BAR),
                *(match.clip.name, f"{match.clip.duration:.2f}", _place(match)),
                ", ".join(list(match.clip.tags)[:_SHOWN_TAGS]),
                *(match.clip.label, match.clip.speaker),
                match.clip.library if len(libraries) > 1 else "",
            )
            for rank, match in enumerate(self, 1)
        ]
        return table(COLUMNS, rows, self.advice or ("" if rows else "no matches"))


def _place(match: Match) -> str:
    """The best segment of a clip of several windows."""
    if not match.segments or match.message.clip.window_count <= 1:
        return ""
    best = match.message.segments[0]
    return told_range(best.start_offset, best.end_offset)


class Embedding(View[embedding_service_pb2.EmbedAudioResponse], Sequence[float]):
    """The vector of a sound, of unit length. `numpy.asarray(it.values)` takes it without a copy."""

    @property
    def values(self) -> array[float]:
        """Its numbers, of 32 bits each."""
        return array("f", self.message.embedding.values)

    @property
    def model(self) -> str:
        """The model that made it, `models/...`. Only vectors of one model can be compared."""
        return self.message.embedding.model

    @property
    def duration(self) -> float:
        """Length of its audio in seconds."""
        return seconds(self.message.audio.duration)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks about its audio, such as `CUT_OFF` or `NO_SPEECH`."""
        return remarks_of(self.message.audio)

    def similarity(self, other: Embedding) -> float:
        """The cosine of both, in [-1, 1].

        Raises:
            ValueError: they are of unlike models.
        """
        if other.model != self.model:
            raise ValueError(f"vectors of {self.model} and {other.model} can't be compared")
        return sum(a * b for a, b in zip(self, other, strict=True))

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> list[float]: ...

    def __getitem__(self, index: int | slice) -> float | list[float]:
        """A number by its place."""
        return self.message.embedding.values[index]

    def __len__(self) -> int:
        """Its dimension."""
        return len(self.message.embedding.values)

    def _told(self) -> Iterator[str]:
        yield f"{len(self)} numbers"
        yield last(self.model)
