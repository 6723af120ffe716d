"""Libraries, clips and models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.embedding.v1 import model_pb2

from audiosearch_client.results.view import View, last, moment, seconds
from serving.names import purpose_word, split_clip


class Library(View[library_pb2.Library]):
    """Clips that are searched together, by one model."""

    @property
    def id(self) -> str:
        """Its short name, which calls take."""
        return last(self.message.name)

    @property
    def name(self) -> str:
        """The name for people; the short one if there is no other."""
        return self.message.display_name or self.id

    @property
    def purpose(self) -> str:
        """`voices`, `sounds` or `vectors`."""
        return "vectors" if self.message.dimension else purpose_word(self.message.purpose)

    @property
    def model(self) -> str:
        """The model whose vectors it holds, `models/...`."""
        return self.message.model

    @property
    def clip_count(self) -> int:
        """Clips that can be found, when it was read."""
        return self.message.clip_count

    @property
    def size_bytes(self) -> int:
        """Bytes of their audio."""
        return self.message.size_bytes

    @property
    def created(self) -> datetime:
        """Time of its creation, in UTC."""
        return moment(self.message.create_time)

    def _told(self) -> Iterator[str]:
        yield repr(self.id)
        yield self.purpose
        yield f"{self.clip_count:,} clips"


class Clip(View[clip_pb2.Clip]):
    """A stored recording."""

    @property
    def full_name(self) -> str:
        """`libraries/{library}/clips/{clip}`, which calls take, as they take the clip itself."""
        return self.message.name

    @property
    def id(self) -> str:
        """The last part of its full name."""
        return split_clip(self.message.name)[1]

    @property
    def library(self) -> str:
        """The short name of its library."""
        return last(split_clip(self.message.name)[0])

    @property
    def name(self) -> str:
        """The name for people, mostly that of its file."""
        return self.message.display_name

    @property
    def label(self) -> str:
        """Kind of sound; empty for none."""
        return self.message.label

    @property
    def speaker(self) -> str:
        """Speaker of the voice; empty for none."""
        return self.message.speaker

    @property
    def metadata(self) -> dict[str, str]:
        """Anything else that is noted."""
        return dict(self.message.metadata)

    @property
    def duration(self) -> float:
        """Its length in seconds."""
        return seconds(self.message.audio.duration)

    @property
    def size_bytes(self) -> int:
        """Bytes of its audio as it came."""
        return self.message.audio_object.size_bytes

    @property
    def uri(self) -> str:
        """Place of its audio if that is referred to; empty if it is stored with the library."""
        return self.message.uri

    @property
    def tags(self) -> dict[str, float]:
        """Kinds of sound heard in it and their scores, the surest first."""
        return {tag.name: tag.score for tag in self.message.tags}

    @property
    def created(self) -> datetime:
        """Time of its creation, in UTC."""
        return moment(self.message.create_time)

    @property
    def kept_until(self) -> datetime | None:
        """Time at which it is deleted for good, in UTC; None if it is not in the trash."""
        return moment(self.message.purge_time) if self.message.HasField("purge_time") else None

    def _told(self) -> Iterator[str]:
        yield repr(self.name or self.id)
        yield f"{self.duration:.2f} s"
        yield from (f"{key}={value!r}" for key, value in self._named() if value)

    def _named(self) -> Iterator[tuple[str, str]]:
        yield "label", self.label
        yield "speaker", self.speaker


class Model(View[model_pb2.Model]):
    """A model that turns audio into vectors."""

    @property
    def name(self) -> str:
        """`models/{model}`."""
        return self.message.name

    @property
    def purpose(self) -> str:
        """`voices` or `sounds`."""
        return purpose_word(self.message.purpose)

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return self.message.dimension

    @property
    def rate(self) -> int:
        """Frames a second that audio is resampled to."""
        return self.message.sample_rate

    def _told(self) -> Iterator[str]:
        yield repr(last(self.name))
        yield self.purpose
        yield f"{self.dimension} numbers"
