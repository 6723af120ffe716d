"""Which clips a calibration is fitted from."""

from __future__ import annotations

from collections import Counter

from audiosearch.catalog.v1.clip_pb2 import Clip

from scoring.labelled_clips import TESTED, Labelled


def clips(speakers: int, each: int) -> list[Clip]:
    """Clips of speakers, in turn."""
    return [
        Clip(name=f"libraries/l/clips/{number:04d}s{speaker:04d}", speaker=f"speaker {speaker}")
        for number in range(each)
        for speaker in range(speakers)
    ]


def choose(found: list[Clip], most: int, enrollments: int = 3, seed: int = 0) -> Counter[str]:
    """Returns the number of chosen clips of each speaker."""
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


CLIPS, SPEAKERS = "libraries/l/clips/", "libraries/l/speakers/"


def whose(*found: tuple[str, str, str]) -> dict[str, str]:
    """The voice of each clip, by id, field `speaker` and enrollments.

    The order in which they are listed makes no difference.
    """
    answers = []
    for order in (found, found[::-1]):
        chosen = Labelled(10, 3, 0)
        for clip_id, label, enrolled in order:
            name = SPEAKERS + enrolled if enrolled else ""
            chosen.add(Clip(name=CLIPS + clip_id, speaker=label, enrolled_speaker=name))
        answers.append({each.id: each.speaker for each in chosen.clips()})
    assert answers[0] == answers[1]
    return answers[0]


def test_a_name_that_two_are_enrolled_under_is_nobodys() -> None:
    """An enrollment is whose it is; the other clips keep the name that they carry."""
    assert whose(
        ("a", "host", "ann"), ("b", "host", "bob"), ("c", "host", ""), ("d", "", "ann")
    ) == {"a": "ann", "b": "bob", "c": "host", "d": "ann"}


def test_a_name_that_was_left_behind_merges_nobody() -> None:
    """A recording of `ann` was taken from her, and is `bob`'s: the rest of hers stays hers."""
    left = ("x", "ann", "bob")
    hers = {"a": "ann", "b": "ann", "c": "bob"}
    assert whose(("a", "ann", "ann"), left, ("b", "ann", ""), ("c", "bob", "bob")) == {
        **hers,
        "x": "bob",
    }
    # Also where none of the clips that she is enrolled with carries her name.
    assert whose(("a", "Ann Smith", "ann"), left, ("b", "ann", ""), ("c", "bob", "bob")) == {
        **hers,
        "x": "bob",
    }


def test_names_are_told_apart_among_many() -> None:
    """A speaker that is left out to bound memory still counts for the names of the others."""
    chosen = Labelled(200, 3, 0)
    for number in range(3000):
        label, enrolled = f"name {number // 3}", f"{SPEAKERS}s{number // 3}{'ab'[number % 3 == 1]}"
        chosen.add(
            Clip(
                name=f"{CLIPS}{number:04}",
                speaker=label,
                enrolled_speaker="" if number % 3 == 2 else enrolled,
            )
        )
    kept = chosen.clips()
    assert len(kept) > 50
    for each in kept:
        number = int(each.id)
        expected = (f"s{number // 3}a", f"s{number // 3}b", f"name {number // 3}")
        assert each.speaker == expected[number % 3]


def test_whoever_is_enrolled_with_one_clip_of_a_name_has_all_of_them() -> None:
    """So that somebody's own clips are known as such when their scores are normalised."""
    assert whose(
        ("a", "Ann Smith", ""),
        ("b", "Ann Smith", "ann"),
        ("c", "", "ann"),
        ("d", "Bob", ""),
        ("e", "anna", "anna"),
    ) == {**dict.fromkeys("abc", "ann"), "d": "Bob", "e": "anna"}
