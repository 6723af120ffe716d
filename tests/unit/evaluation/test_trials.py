"""Trial lists in their three forms, and the clips that they mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_evaluation.matching import match_clips
from audiosearch_evaluation.sampling import check_kinds, choose
from audiosearch_evaluation.trials import read_enrollments, read_trials

from serving.errors import Reason, ServiceError

VOXCELEB = (
    "1 id10270/x6uYqmx31kE/00001.wav id10270/8jEAjG6SegY/00008.wav\n"
    "0 id10270/x6uYqmx31kE/00001.wav id10300/ize_eiCFEg0/00003.wav\n"
)
CN_CELEB = (
    "id00800-enroll test/id00800-singing-01-005.wav 1\n"
    "id00800-enroll test/id00801-live_broadcast-01-001.wav 0\n"
)
KALDI = "ann one.wav target\r\nann two.wav nontarget\r\n\r\n"


def written(tmp_path: Path, text: str | bytes) -> Path:
    """A list with this text."""
    path = tmp_path / "trials.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "enrollments", "tests"),
    [
        (VOXCELEB, ["id10270/x6uYqmx31kE/00001.wav"], "id10270/8jEAjG6SegY/00008.wav"),
        (CN_CELEB, ["id00800-enroll"], "test/id00800-singing-01-005.wav"),
        (KALDI, ["ann"], "one.wav"),
    ],
)
def test_the_three_forms(tmp_path: Path, text: str, enrollments: list[str], tests: str) -> None:
    """Names once, trials by their numbers."""
    trials = read_trials(written(tmp_path, text))
    assert list(trials.enrollments) == enrollments
    assert next(iter(trials.tests)) == tests
    assert trials.first.tolist() == [0, 0]
    assert trials.second.tolist() == [0, 1]
    assert trials.targets.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 a b\n2 a b\n", "line 2: '2 a b' is not"),
        ("1 a b\n0 a\n", "line 2: 2 words"),
        ("a b target\na b maybe\n", "line 2"),
        ("target a b\n", "line 1"),
        ("1 a b\n1 a c\n", "not both target trials and others"),
        ("", "0 trials"),
        (b"1 \xff b\n", "not UTF-8"),
        ("1 " + "a" * 200_000 + " b\n", "line 1: it is longer"),
    ],
)
def test_mistakes_are_told_by_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    """As one typed error."""
    with pytest.raises(ServiceError) as refused:
        read_trials(written(tmp_path, text))
    assert refused.value.reason is Reason.FIELD_INVALID
    assert words in refused.value.message
    with pytest.raises(ServiceError, match="can't be read"):
        read_trials(tmp_path / "none")


def test_enrollments(tmp_path: Path) -> None:
    """enroll.map has several files to a name, enroll.lst one."""
    path = written(
        tmp_path,
        "id00800-enroll id00800/singing-01-001.wav id00800/singing-01-002.wav\n"
        "id00801-enroll enroll/id00801-enroll.wav\n",
    )
    assert read_enrollments(path) == {
        "id00800-enroll": ("id00800/singing-01-001.wav", "id00800/singing-01-002.wav"),
        "id00801-enroll": ("enroll/id00801-enroll.wav",),
    }
    for text, words in (("a\n", "line 1: 'a' names no file"), ("a x\na y\n", "line 2: 'a' is")):
        with pytest.raises(ServiceError, match=words):
            read_enrollments(written(tmp_path, text))


def clip(number: int, path: str, corpus: str = "") -> Clip:
    """A clip that was imported from `path`."""
    metadata = {"path": path, "corpus": corpus} if corpus else {"path": path}
    return Clip(name=f"libraries/x/clips/{number}", metadata=metadata)


def test_names_are_ends_of_paths_and_endings_count_for_nothing() -> None:
    """A list says .wav where the file is .flac; clips of the server's own imports have a source."""
    clips = [
        clip(1, "CN-Celeb_flac/eval/enroll/id00800-enroll.flac", "cn-celeb1"),
        clip(2, "data/id00800/singing-01-005.flac", "cn-celeb1"),
        Clip(name="libraries/x/clips/3", source="wav/id10270/x6uYqmx31kE/00001.WAV"),
        Clip(name="libraries/x/clips/4", display_name="one.wav"),
        clip(5, "elsewhere/00001.wav"),
    ]
    names = [
        *("id00800-enroll", "test/id00800-singing-01-005.wav"),
        *("id10270/x6uYqmx31kE/00001.wav", "./one.flac", "one"),
    ]
    found = match_clips(names, clips, "x")
    assert [found[name].name[-1] for name in names] == ["1", "2", "3", "4", "4"]


def test_the_test_file_itself_goes_before_the_one_it_was_copied_from() -> None:
    """Whichever comes first."""
    clips = [
        clip(1, "data/id00800/singing-01-005.flac", "cn-celeb1"),
        clip(2, "eval/test/id00800-singing-01-005.flac", "cn-celeb1"),
    ]
    name = "test/id00800-singing-01-005.wav"
    for order in (clips, clips[::-1]):
        assert match_clips([name], order, "x")[name].name[-1] == "2"


def test_one_clip_of_identical_files_is_found_by_each_of_their_paths() -> None:
    """Also by that of the server's own import, which it has kept."""
    copies = Clip(
        name="libraries/x/clips/1",
        source="from/server.wav",
        metadata={"path": "a/one.wav", "path.2": "b/two.wav"},
    )
    names = ["one.wav", "b/two.flac", "server", "from/server.wav"]
    found = match_clips(names, [copies, clip(2, "c/three.wav")], "x")
    assert [found[name].name[-1] for name in names] == ["1"] * 4
    with pytest.raises(ServiceError, match="fit several clips of x: two"):
        match_clips(["two.wav"], [copies, clip(2, "c/two.wav")], "x")


def test_where_no_further_path_was_kept_the_error_tells() -> None:
    """Importing again would not help."""
    crowded = Clip(name="1", metadata={f"key{number}": "value" for number in range(32)})
    with pytest.raises(ServiceError, match="which keep their paths; 1 clips have no room"):
        match_clips(["copy.wav"], [crowded, clip(2, "one.wav")], "x")
    with pytest.raises(ServiceError, match=r"which keep their paths$"):
        match_clips(["copy.wav"], [clip(2, "one.wav")], "x")


def test_missing_and_unclear_names_are_told_in_one_error() -> None:
    """The first five by name."""
    clips = [clip(1, "a/00001.wav"), clip(2, "b/00001.wav")]
    with pytest.raises(ServiceError, match=r"8 files of the list are no clips of x: n0, .* 3 more"):
        match_clips([f"n{number}.wav" for number in range(8)], clips, "x")
    with pytest.raises(ServiceError, match="1 names of the list fit several clips") as refused:
        match_clips(["00001.wav"], clips, "x")
    assert refused.value.reason is Reason.FIELD_INVALID
    assert set(match_clips(["a/00001.wav"], clips, "x")) == {"a/00001.wav"}


def test_of_many_clips_a_seeded_part_takes_part() -> None:
    """Those without a speaker never do."""
    clips = [Clip(name=str(n), speaker="ann" if n % 3 else "") for n in range(3000)]
    chosen, met = choose(clips, lambda clip: clip.speaker, 50, seed=1)
    assert (len(chosen), met) == (50, 2000)
    assert chosen == choose(clips, lambda clip: clip.speaker, 50, seed=1)[0]
    assert chosen != choose(clips, lambda clip: clip.speaker, 50, seed=2)[0]
    assert all(clip.speaker for clip in chosen)
    assert len(choose(clips, lambda clip: clip.speaker, 9000, seed=1)[0]) == 2000


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "no clip with a speaker"),
        (["ann", "ann"], "only one speaker, ann"),
        (["ann", "bob"], "no two clips of x have the same speaker"),
    ],
)
def test_too_few_kinds_are_a_typed_error(values: list[str], words: str) -> None:
    """With what to do."""
    with pytest.raises(ServiceError, match=words) as refused:
        check_kinds(values, "speaker", "x")
    assert refused.value.reason is Reason.STATE_CONFLICT
