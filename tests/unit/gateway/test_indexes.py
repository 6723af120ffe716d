"""The indexes of a library, the ids in them, and the vectors of whole clips."""

from __future__ import annotations

from typing import Any

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.index.v1.index_pb2 import (
    INDEX_KIND_PLAIN,
    INDEX_KIND_WINDOWS,
    Attributes,
    Vector,
)
from audiosearch.index.v1.index_service_pb2 import GetVectorsRequest, GetVectorsResponse
from google.protobuf.duration_pb2 import Duration

from gateway.libraries import indexes

OLD = Library(name="libraries/a", uid="u")
NEW = Library(name="libraries/a", uid="u", generation=2)
NEW.window_rule.window.FromSeconds(3)


class Shelves:
    """Indexes with vectors by id, as the gateway's stub shows them."""

    def __init__(self, **indexes: dict[str, list[float]]) -> None:
        """Has these."""
        self.indexes = indexes
        self.asked: list[tuple[str, int]] = []

    async def GetVectors(self, request: GetVectorsRequest) -> GetVectorsResponse:
        """Reads those that are there."""
        self.asked.append((request.index_id, len(request.ids)))
        there = self.indexes[request.index_id]
        found = [Vector(id=id_, values=there[id_]) for id_ in request.ids if id_ in there]
        return GetVectorsResponse(vectors=found)


def test_a_library_from_before_windows_has_one_index() -> None:
    """The present generation alone, of one plain index."""
    (generation,) = indexes.written(OLD)
    assert (generation.number, generation.rule) == (0, None)
    assert dict(generation.kinds) == {"u": INDEX_KIND_PLAIN}
    assert indexes.voiceprints(OLD) == "u_speakers"


def test_a_library_has_an_index_of_windows_and_one_of_wholes() -> None:
    """Both carry the generation."""
    generation = indexes.present(NEW)
    assert dict(generation.kinds) == {"u_w2": INDEX_KIND_WINDOWS, "u_c2": INDEX_KIND_PLAIN}
    assert (generation.windows, generation.wholes) == ("u_w2", "u_c2")
    assert generation.rule == NEW.window_rule


def test_a_library_in_migration_is_written_in_two_generations() -> None:
    """The present one and the one that is filled, each with its own rule."""
    library = Library(uid="u")
    library.migration.generation = 1
    library.migration.window_rule.window.FromSeconds(2)
    old, new = indexes.written(library)
    assert (old.windows, new.windows, new.wholes) == ("u", "u_w1", "u_c1")
    assert new.rule == library.migration.window_rule
    assert indexes.coming(NEW) is None


@pytest.mark.parametrize(
    ("start", "id_"), [(None, "clip"), (0, "clip:00000000"), (7_200_000, "clip:07200000")]
)
def test_the_id_of_a_window_has_its_clip_and_its_start(start: int | None, id_: str) -> None:
    """There and back."""
    assert indexes.window_id("clip", start) == id_
    assert indexes.split_window(id_) == ("clip", start)


def test_ids_of_a_clip_are_in_the_order_of_time_and_together() -> None:
    """By their bytes, as the index lists them; the last window is that of two hours."""
    ids = [indexes.window_id("a", start) for start in (None, 0, 1500, 10_500, 7_197_000)]
    others = [indexes.window_id("b", None), indexes.window_id("b", 0)]
    assert sorted(others + ids[::-1]) == ids + others


def test_a_start_is_rounded_to_milliseconds() -> None:
    """Windows start at samples."""
    assert indexes.milliseconds(Duration(seconds=1, nanos=500_062_500)) == 1500
    assert indexes.milliseconds(Duration(nanos=600_000)) == 1


def test_all_that_can_be_filtered_by_is_mirrored() -> None:
    """The speaker that a clip is an enrollment of is told by its id."""
    clip = Clip(
        name="libraries/a/clips/c",
        display_name="One",
        label="speech",
        speaker="Ann",
        source="x/one.wav",
        enrolled_speaker="libraries/a/speakers/ann",
        metadata={"room": "2"},
        revision=3,
    )
    clip.create_time.FromSeconds(10)
    clip.audio.duration.FromSeconds(4)
    mirrored = indexes.attributes(clip)
    assert mirrored.enrolled_speaker == "ann"
    for field in mirrored.DESCRIPTOR.fields:
        if field.name not in {"enrolled_speaker", "duration"}:
            assert getattr(mirrored, field.name) == getattr(clip, field.name), field.name
    assert mirrored.duration == clip.audio.duration


def test_a_clip_without_anything_has_empty_attributes() -> None:
    """No time, not the year 1970."""
    assert indexes.attributes(Clip(revision=1)).ListFields() == [
        (Attributes.DESCRIPTOR.fields_by_name["revision"], 1)
    ]


async def test_wholes_are_read_from_windows_and_the_rest_from_wholes() -> None:
    """A clip that is in neither is left out, and a clip that is named twice is asked for once."""
    shelves: Any = Shelves(
        u_w2={"short": [1, 0], "long:00000000": [0, 1]}, u_c2={"long": [0.6, 0.8]}
    )
    found = await indexes.whole_vectors(shelves, NEW, ["short", "long", "gone", "long"])
    assert {id_: list(values) for id_, values in found.items()} == {
        "short": pytest.approx([1, 0]),
        "long": pytest.approx([0.6, 0.8]),
    }
    assert shelves.asked == [("u_w2", 3), ("u_c2", 2)]


async def test_wholes_of_a_library_from_before_windows_are_its_vectors() -> None:
    """A bounded number of them a call."""
    shelves: Any = Shelves(u={f"{number}": [1, 0] for number in range(2500)})
    found = await indexes.whole_vectors(shelves, OLD, [str(number) for number in range(2500)])
    assert len(found) == 2500
    assert shelves.asked == [("u", 1000), ("u", 1000), ("u", 500)]
