"""Folders to import: what may be read, and in which order."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from gateway.imports.folder import read_file, resolve_folder
from serving.audio_files import MAX_KINDS, PassedOver, count, walk
from serving.disk.folders import open_below
from serving.errors import Reason, ServiceError


def touch(root: Path, *names: str) -> None:
    """Makes empty files, with the folders on the way."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


async def read(path: Path, *roots: Path) -> bytes:
    """A whole file, as an import reads it."""
    return b"".join([chunk async for chunk in read_file(path, roots)])


def test_only_audio_files_are_found_whatever_the_case_of_their_ending(tmp_path: Path) -> None:
    """Upper-case endings count; text files, pictures and hidden system files do not."""
    touch(tmp_path, "a.WAV", "b.Mp3", "sub/c.flac", "notes.txt", "cover.jpg", ".DS_Store", "d.webm")
    assert [found.path for found in walk(tmp_path)] == ["a.WAV", "b.Mp3", "d.webm", "sub/c.flac"]
    assert count(tmp_path) == (4, {".txt": 1, ".jpg": 1, "hidden": 1})


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("core audio", b"caff\0\1\0\0desc"),
        ("clip.mov", b"\0\0\0\x14ftypqt  "),
        ("clip.mkv", b"\x1aE\xdf\xa3\xa3B\x86"),
        ("song.bin", b"ID3\4\0\0\0\0\0\0"),
        ("song", b"\xff\xfb\x90\x64"),
        ("adts", b"\xff\xf1\x50\x80"),
        ("call.dat", b"RIFF\x24\0\0\0WAVEfmt "),
        ("call.sphere", b"NIST_1A\n   1024\n"),
        ("voice.x", b"#!AMR-WB\n"),
        ("stream.ts", (b"G" + bytes(187)) * 3),
        ("stream.m2ts", (bytes(4) + b"G" + bytes(187)) * 3),
    ],
)
def test_a_file_is_audio_by_its_first_bytes(tmp_path: Path, name: str, head: bytes) -> None:
    """Its ending does not matter, and it may have none."""
    (tmp_path / name).write_bytes(head)
    assert [found.path for found in walk(tmp_path)] == [name]
    assert count(tmp_path) == (1, {})


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("photo.heic", b"\0\0\0\x18ftypheic", ".heic"),
        ("photo.webp", b"RIFF\x24\0\0\0WEBPVP8 ", ".webp"),
        ("photo.JPG", b"\xff\xd8\xff\xe0", ".jpg"),
        ("page.txt", "Dear Sir".encode("utf-16"), ".txt"),
        ("list.csv", b"Good day, " * 60, ".csv"),
        ("README", b"no sound", "other"),
        ("Mr. Smith", b"no sound", "other"),
        ("empty.bin", b"", ".bin"),
    ],
)
def test_other_files_are_passed_over_by_kind(
    tmp_path: Path, name: str, head: bytes, kind: str
) -> None:
    """Pictures share containers with audio, and text may begin as its frames do."""
    (tmp_path / name).write_bytes(head)
    assert list(walk(tmp_path)) == []
    assert count(tmp_path) == (0, {kind: 1})


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    """What macOS lays beside a.wav and into archives has the endings of audio."""
    touch(tmp_path, "a.wav", "._a.wav", ".Trashes/b.wav", "__MACOSX/._a.wav", "c/.hidden.flac")
    assert [found.path for found in walk(tmp_path)] == ["a.wav"]
    assert count(tmp_path) == (1, {"hidden": 4})


def test_links_that_lead_nowhere_cost_themselves_alone(tmp_path: Path) -> None:
    """A link to itself, two to each other, and two to what is gone, with or without an ending."""
    touch(tmp_path, "a.wav", "z/b.wav")
    for name, target in {
        "loop": "loop", "one": "other", "other": "one", "gone": "nowhere", "gone.wav": "nowhere",
    }.items():  # fmt: skip
        (tmp_path / name).symlink_to(tmp_path / target)
    found = list(walk(tmp_path))
    assert [entry.path for entry in found] == ["a.wav", "z/b.wav"]
    assert not any(entry.failure for entry in found)
    assert count(tmp_path) == (2, {"link": 5})


def test_a_link_to_audio_is_followed_within_the_roots_alone(tmp_path: Path) -> None:
    """The first bytes of a file elsewhere are not looked at."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "sound.bin").write_bytes(b"fLaC" + bytes(40))
    (inside / "near").symlink_to(inside / "sound.bin")
    (inside / "far").symlink_to(outside / "sound.bin")
    assert count(inside, roots=[inside]) == (2, {"link": 1})
    assert count(inside) == (3, {})


def test_what_is_no_regular_file_is_passed_over_without_waiting(tmp_path: Path) -> None:
    """A pipe that nobody writes to does not hang the walk."""
    os.mkfifo(tmp_path / "pipe")
    assert count(tmp_path) == (0, {"other": 1})


def test_kinds_are_bounded(tmp_path: Path) -> None:
    """The kinds beyond are counted together."""
    touch(tmp_path, *(f"file.x{number}" for number in range(50)))
    total, passed_over = count(tmp_path)
    assert total == 0
    assert len(passed_over) == MAX_KINDS
    assert passed_over.total() == 50


def test_a_walk_that_goes_on_counts_what_it_passes_over(tmp_path: Path) -> None:
    """The counts are of the folders that it lists."""
    touch(tmp_path, "a/1.wav", "a/2.txt", "b/3.wav", "b/4.txt")
    passed_over = PassedOver()
    assert [found.path for found in walk(tmp_path, "a/1.wav", passed_over=passed_over)] == [
        "b/3.wav"
    ]
    assert passed_over[".txt"] == 2


def test_a_walk_goes_on_behind_any_of_its_entries(tmp_path: Path) -> None:
    """For each entry, the walk after it is the rest of the whole walk."""
    touch(
        tmp_path, "a.wav", "a/b.wav", "a/c/d.wav", "a/c.wav", "a b.wav", "b.wav", "b/a.wav", "z.wav"
    )
    whole = [found.path for found in walk(tmp_path)]
    assert len(whole) == 8
    for number, path in enumerate(whole):
        assert [found.path for found in walk(tmp_path, path)] == whole[number + 1 :]


def test_a_hundred_thousand_files_are_walked_in_bounded_memory(tmp_path: Path) -> None:
    """Memory grows with the names of one folder, not with the whole tree."""
    for folder in range(100):
        path = tmp_path / f"{folder:03}"
        path.mkdir()
        for number in range(1000):
            os.close(os.open(path / f"{number:04}.wav", os.O_CREAT | os.O_WRONLY))
    tracemalloc.start()
    try:
        assert count(tmp_path) == (100_000, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_link_to_a_folder_is_a_failure_and_not_followed(tmp_path: Path) -> None:
    """Even a loop ends."""
    touch(tmp_path, "sub/a.wav")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    found = list(walk(tmp_path))
    assert [entry.path for entry in found] == ["sub/a.wav", "sub/loop"]
    assert found[1].failure
    assert found[1].failure.reason is Reason.PATH_NOT_ALLOWED


def test_a_name_that_is_not_utf8_is_a_failure(tmp_path: Path) -> None:
    """It can't be told to anybody as it is, so it is told how it reads."""
    os.close(os.open(os.fsencode(tmp_path) + b"/bad\xff.wav", os.O_CREAT | os.O_WRONLY))
    (found,) = walk(tmp_path)
    assert found.path == "bad\\xff.wav"
    assert found.failure


def test_a_folder_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    """The walk does not raise."""
    (found,) = walk(tmp_path / "gone")
    assert found.failure
    assert found.failure.reason is Reason.PATH_NOT_FOUND


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("relative/path", Reason.FIELD_INVALID),
        ("", Reason.FIELD_INVALID),
        ("/with\0zero", Reason.FIELD_INVALID),
        ("/", Reason.PATH_NOT_ALLOWED),
        ("/etc", Reason.PATH_NOT_ALLOWED),
        ("{root}/../elsewhere", Reason.PATH_NOT_ALLOWED),
        ("{root}/link-out", Reason.PATH_NOT_ALLOWED),
        ("{root}-sibling", Reason.PATH_NOT_ALLOWED),
        ("{root}/missing", Reason.PATH_NOT_FOUND),
        ("{root}/file.wav", Reason.PATH_NOT_FOUND),
        ("{root}/" + "x" * 5000, Reason.PATH_NOT_FOUND),
    ],
)
def test_only_folders_below_a_root_may_be_imported(
    tmp_path: Path, folder: str, reason: Reason
) -> None:
    """Neither dots nor links nor a shared beginning lead out of it."""
    root = tmp_path / "root"
    touch(root, "file.wav")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root-sibling").mkdir()
    (root / "link-out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServiceError) as raised:
        resolve_folder(folder.format(root=root), [root])
    assert raised.value.reason is reason


def test_no_root_allows_nothing(tmp_path: Path) -> None:
    """The message names the setting."""
    with pytest.raises(ServiceError, match="AUDIOSEARCH_IMPORT_ROOTS"):
        resolve_folder(str(tmp_path), [])


async def test_a_link_within_the_root_is_read_and_one_that_leads_out_is_not(tmp_path: Path) -> None:
    """The link's target decides."""
    root = tmp_path / "root"
    touch(root, "a.wav")
    (root / "a.wav").write_bytes(b"inside")
    (tmp_path / "secret.wav").write_bytes(b"outside")
    (root / "in.wav").symlink_to(root / "a.wav")
    (root / "out.wav").symlink_to(tmp_path / "secret.wav")
    assert await read(root / "in.wav", root) == b"inside"
    with pytest.raises(ServiceError) as raised:
        await read(root / "out.wav", root)
    assert raised.value.reason is Reason.PATH_NOT_ALLOWED


def test_a_folder_swapped_for_a_link_during_the_walk_is_not_followed(tmp_path: Path) -> None:
    """It was a folder when its name was read."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root, "a.wav", "sub/b.wav")
    touch(outside, "secret.wav")
    found = walk(root, roots=[root])
    assert next(found).path == "a.wav"
    (root / "sub").rename(tmp_path / "gone")
    (root / "sub").symlink_to(outside)
    assert [(entry.path, bool(entry.failure)) for entry in found] == [("sub", True)]


@pytest.mark.parametrize("swapped", ["sub", "sub/deep", "sub/deep/b.wav"])
def test_what_became_a_link_after_its_links_were_resolved_is_not_opened(
    tmp_path: Path, swapped: str
) -> None:
    """At any place between the root and the file."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root, "sub/deep/b.wav")
    touch(outside, "sub/deep/b.wav")
    os.close(open_below(root / "sub/deep/b.wav", [root], 0))
    (root / swapped).rename(tmp_path / "gone")
    (root / swapped).symlink_to(outside / swapped)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        open_below(root / "sub/deep/b.wav", [root], 0)


async def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """A pipe nobody writes to does not hang the import."""
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(ServiceError) as raised:
        await read(tmp_path / "pipe.wav", tmp_path)
    assert raised.value.reason is Reason.AUDIO_UNDECODABLE


async def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    """It vanished between the walk and the reading."""
    with pytest.raises(ServiceError) as raised:
        await read(tmp_path / "gone.wav", tmp_path)
    assert raised.value.reason is Reason.PATH_NOT_FOUND
