"""The rule by which the recordings of a library are cut into windows."""

from __future__ import annotations

from typing import Any, NamedTuple

from audiosearch.embedding.v1 import embedding_pb2 as pb
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import Row

_NANOS = 10**9


class WindowRule(NamedTuple):
    """A rule, with its lengths in ns and the names of its columns. See the contract."""

    window_ns: int
    hop_ns: int
    single_ns: int

    @classmethod
    def of(cls, rule: pb.WindowRule) -> WindowRule:
        """Returns the rule of a message."""
        return cls._make(
            length.seconds * _NANOS + length.nanos
            for length in (rule.window, rule.hop, rule.single)
        )

    @classmethod
    def of_row(cls, row: Row[Any]) -> WindowRule | None:
        """Returns the rule of a library; None if it was made before there were windows."""
        if row.window_ns is None:
            return None
        return cls(row.window_ns, row.hop_ns, row.single_ns)

    def message(self) -> pb.WindowRule:
        """Returns the rule as a message."""
        window, hop, single = (
            Duration(seconds=length // _NANOS, nanos=length % _NANOS) for length in self
        )
        return pb.WindowRule(window=window, hop=hop, single=single)
