"""The fields that existing clips get from an import: missing ones, and no others."""

from __future__ import annotations

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_client.corpora.additions import MAX_METADATA, MAX_PATHS, complete, is_full, paths

NAME = "libraries/x/clips/1"


def told(path: str = "recordings/7_ann_1.wav", **more: str) -> Clip:
    """The fields that a layout reads from a path."""
    return Clip(speaker="ann", label="7", metadata={"digit": "7", "path": path, **more})


def had(**metadata: str) -> Clip:
    """A clip with speaker, label and metadata."""
    return Clip(name=NAME, speaker="bob", label="door", metadata=metadata)


def test_a_clip_of_which_nothing_is_known_gets_everything() -> None:
    """And lacks nothing afterwards."""
    addition = complete(Clip(name=NAME, display_name="7_ann_1.wav", source="7_ann_1.wav"), told())
    assert addition.fields == ("speaker", "label", "metadata")
    assert addition.labels
    assert (addition.clip.name, addition.clip.speaker, addition.clip.label) == (NAME, "ann", "7")
    assert dict(addition.clip.metadata) == {"digit": "7", "path": "recordings/7_ann_1.wav"}
    again = complete(addition.clip, told())
    assert (again.fields, again.labels) == ((), False)


def test_what_somebody_has_filled_in_stays() -> None:
    """Field by field, and in the metadata entry by entry; an empty one is none."""
    addition = complete(Clip(name=NAME, label="door"), told())
    assert (addition.fields, addition.clip.label) == (("speaker", "metadata"), "door")
    addition = complete(had(digit="seven", room="hall", path=""), told(session="2"))
    assert (addition.fields, addition.labels) == (("metadata",), True)
    assert dict(addition.clip.metadata) == {
        "digit": "seven",
        "room": "hall",
        "path": "recordings/7_ann_1.wav",
        "session": "2",
    }


def test_an_identical_file_adds_its_path_alone() -> None:
    """Once, however often it is imported; what is told of the first file is not mixed with it."""
    first = had(path="data/id00012/vlog-01-001.flac", genre="vlog")
    copy = told("eval/test/id00012-vlog-01-001.flac", role="test")
    addition = complete(first, copy)
    assert (addition.fields, addition.labels) == (("metadata",), False)
    assert dict(addition.clip.metadata) == {
        "path": "data/id00012/vlog-01-001.flac",
        "genre": "vlog",
        "path.2": "eval/test/id00012-vlog-01-001.flac",
    }
    assert not complete(addition.clip, copy).fields
    third = complete(addition.clip, told("third.flac")).clip
    assert paths(third.metadata) == [first.metadata["path"], copy.metadata["path"], "third.flac"]


def test_the_same_file_seen_from_another_root_is_no_other_one() -> None:
    """It adds what is told newly; a path that is the end of a known one says nothing new."""
    known = had(path="data/id00012/vlog-01-001.flac", digit="7")
    assert not complete(known, told("id00012/vlog-01-001.flac")).fields
    longer = complete(known, told("CN-Celeb/data/id00012/vlog-01-001.flac", gender="f")).clip
    assert longer.metadata["gender"] == "f"
    assert paths(longer.metadata) == [
        "data/id00012/vlog-01-001.flac",
        "CN-Celeb/data/id00012/vlog-01-001.flac",
    ]
    # An end in letters is no end in parts.
    assert complete(known, told("1-001.flac")).clip.metadata["path.2"] == "1-001.flac"


def test_the_number_of_paths_is_bounded() -> None:
    """Identical files leave room for other metadata."""
    clip = had(path="0.wav")
    for number in range(1, 40):
        assert is_full(clip.metadata) == (number >= MAX_PATHS)
        clip = complete(clip, told(f"{number}.wav")).clip
    assert paths(clip.metadata) == [f"{number}.wav" for number in range(MAX_PATHS)]


def test_a_clip_never_gets_more_metadata_than_it_may_have() -> None:
    """The path goes first; where there is no room, nothing changes."""
    crowded = had(**{f"key{number}": "value" for number in range(MAX_METADATA - 1)})
    addition = complete(crowded, told())
    assert addition.clip.metadata["path"] == "recordings/7_ann_1.wav"
    assert len(addition.clip.metadata) == MAX_METADATA
    assert is_full(addition.clip.metadata)
    assert not complete(addition.clip, told()).fields
    assert not complete(addition.clip, told("other.wav")).fields
