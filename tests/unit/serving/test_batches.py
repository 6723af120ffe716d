"""Calls of a bounded size."""

from __future__ import annotations

from audiosearch.catalog.v1.clip_pb2 import Clip

from serving.calls.batches import Batch


def sizes(batch: Batch[Clip], lengths: list[int]) -> list[list[int]]:
    """The lengths of the names in each call."""
    calls = [batch.add(Clip(name="x" * length)) for length in lengths]
    return [[len(clip.name) for clip in call] for call in [*calls, batch.left] if call]


def test_a_call_has_so_many_bytes_and_messages() -> None:
    """One that is too large goes alone; none is lost, and the order stays."""
    assert sizes(Batch(100), [40, 40, 40, 200, 1]) == [[40, 40], [40], [200], [1]]
    assert sizes(Batch(100, 2), [1, 1, 1]) == [[1, 1], [1]]
    assert sizes(Batch(1), []) == []
