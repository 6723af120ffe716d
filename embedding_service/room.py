"""The room that all models of the service share."""

from __future__ import annotations

from dataclasses import dataclass

from embedding_service.sharing import Line
from serving.calls.shares import Shares
from serving.monitoring import metrics

_LONG_AT_ONCE = 8
"""Long recordings that are held decoded at a time: two hours at 16 kHz are 460 MB."""


@dataclass(frozen=True)
class Room:
    """The places that callers share, whichever model they call.

    Attributes:
        pieces: Pieces of audio that are decoded and embedded at a time.
        streams: Streams at a time.
        long: The line of long recordings: some are held decoded at a time, the others wait as they
            were sent, and don't fill the disk with samples.
    """

    pieces: Shares
    streams: Shares
    long: Line

    @classmethod
    def of(cls, pieces: int, streams: int) -> Room:
        """Makes room for so many pieces and streams. Must be called on the event loop."""
        room = cls(Shares(pieces), Shares(streams), Line(_LONG_AT_ONCE, shared=True))
        metrics.watch_queue("encoder", pieces, lambda: pieces - room.pieces.free)
        metrics.watch_queue("streams", streams, lambda: streams - room.streams.free)
        return room
