"""Which clips a calibration is fitted from."""

from __future__ import annotations

from collections import Counter

from audiosearch.catalog.v1.clip_pb2 import Clip

from gateway.speakers.labelled import TESTED, Labelled


def clips(speakers: int, each: int) -> list[Clip]:
    """Clips of speakers, in turn."""
    return [
        Clip(name=f"libraries/l/clips/{number:04d}s{speaker:04d}", speaker=f"speaker {speaker}")
        for number in range(each)
        for speaker in range(speakers)
    ]


def choose(found: list[Clip], most: int, enrollments: int = 3, seed: int = 0) -> Counter[str]:
    """How many clips of each speaker are chosen."""
    chosen = Labelled(most, enrollments, seed)
    for clip in found:
        chosen.add(clip)
    kept = chosen.clips()
    assert len({each.id for each in kept}) == len(kept) <= most
    known = {clip.name.rpartition("/")[2]: clip.speaker for clip in found}
    assert all(known[each.id] == each.speaker for each in kept)
    return Counter(each.speaker for each in kept)


def test_all_are_taken_where_there_are_few() -> None:
    """But for those whose speaker is not known."""
    found = [*clips(5, 7), Clip(name="libraries/l/clips/nobody")]
    assert choose(found, 100) == Counter({f"speaker {number}": 7 for number in range(5)})


def test_of_few_speakers_many_clips_are_kept() -> None:
    """The limit is made use of."""
    counts = choose(clips(6, 500), 1000)
    assert len(counts) == 6
    assert sum(counts.values()) > 500


def test_of_many_speakers_enough_clips_are_kept() -> None:
    """Fewer speakers with clips for trials, rather than one clip of everybody."""
    counts = choose(clips(400, 60), 1000)
    assert 10 <= len(counts) < 40
    assert set(counts.values()) == {2 * 3 + TESTED}


def test_two_speakers_stay_whatever_the_limit() -> None:
    """Without two there are no trials."""
    for seed in range(20):
        assert len(choose(clips(3, 50), 10, enrollments=100, seed=seed)) == 2


def test_the_seed_decides() -> None:
    """The same one chooses the same, another one others."""
    found = clips(400, 30)
    assert choose(found, 500, seed=1) == choose(found, 500, seed=1)
    assert choose(found, 500, seed=1) != choose(found, 500, seed=2)


def test_whoever_is_enrolled_with_one_clip_of_a_name_has_all_of_them() -> None:
    """So that somebody's own clips are known as such when their scores are normalised."""
    clip = "libraries/l/clips/"
    ann, anna = "libraries/l/speakers/ann", "libraries/l/speakers/anna"
    chosen = Labelled(10, 3, 0)
    for found in (
        Clip(name=clip + "a", speaker="Ann Smith"),
        Clip(name=clip + "b", speaker="Ann Smith", enrolled_speaker=ann),
        Clip(name=clip + "c", enrolled_speaker=ann),
        Clip(name=clip + "d", speaker="Bob"),
        Clip(name=clip + "e", speaker="anna", enrolled_speaker=anna),
    ):
        chosen.add(found)
    assert {each.id: each.speaker for each in chosen.clips()} == {
        **dict.fromkeys("abc", "ann"),
        "d": "Bob",
        "e": "anna",
    }
