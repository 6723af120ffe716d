"""Clips of a library that are the same recording, over the whole stack."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.library_service_pb2_grpc import LibraryServiceStub
from audiosearch.gateway.v1.duplicates_pb2 import Duplicate, Duplicates, GetDuplicatesRequest

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running
from tests.vowels import RATE, say
from tools.benchmarks.quality_changes import CHANGES

PATIENCE = 90.0
SECONDS = 30.0


def ask(running: Running, library: str, **fields: str) -> Duplicates:
    """The groups as they are now."""
    request = GetDuplicatesRequest(name=f"libraries/{library}/duplicates", **fields)
    return running.client.call(running.client.stubs.libraries.GetDuplicates, request)


def wait(running: Running, library: str, good: Callable[[Duplicates], bool]) -> Duplicates:
    """Asks until the groups are good."""
    until = time.monotonic() + PATIENCE
    while not good(found := ask(running, library)):
        assert time.monotonic() < until, found
        time.sleep(0.25)
    return found


def ready(found: Duplicates) -> bool:
    """Returns True if no work is left."""
    return found.state == Duplicates.STATE_READY


def talk(take: int, voices: Sequence[int]) -> np.ndarray:
    """A recording in which voices speak one after the other."""
    turn = SECONDS / len(voices)
    return np.concatenate([say(voice, 100 * take + n, turn) for n, voice in enumerate(voices)])


class Copies:
    """A library of two recordings of the same voices, of copies of the first, and of a cut."""

    def __init__(self, running: Running, folder: Path) -> None:
        """Uploads them."""
        self.running, self.library = running, running.library()
        self.names: dict[str, str] = {}
        first = talk(1, (0, 1, 2, 3, 4, 5, 6, 7) * 2)
        self.add(folder / "first.wav", first)
        self.add(folder / "second.wav", talk(2, (3, 1, 0, 7, 2, 5, 6, 4) * 2))
        self.add(folder / "cut.wav", first[int(9.0 * RATE) : int(23.5 * RATE)])
        self.add(folder / "softer.wav", 0.1 * first)
        for name, change in {"mp3": "mp3, 64 kbit/s", "ogg": "ogg opus, 24 kbit/s"}.items():
            path = folder / f"copy.{name}"
            path.write_bytes(CHANGES[change](first))
            self.upload(path)

    def add(self, path: Path, samples: np.ndarray) -> None:
        """Uploads samples."""
        soundfile.write(path, samples, RATE)
        self.upload(path)

    def upload(self, path: Path) -> None:
        """Uploads a file."""
        self.names[path.name] = self.running.client.upload(self.library, path).clip.name


@pytest.fixture(scope="module")
def copies(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """The library, which is not changed."""
    return Copies(shared, tmp_path_factory.mktemp("copies"))


def test_copies_and_cuts_of_a_recording_are_one_group(copies: Copies) -> None:
    """With the place of each; another recording of the same voices is in none."""
    found = wait(copies.running, copies.library, ready)
    assert (found.progress, found.clip_count, found.group_count) == (1, 6, 1)
    assert not found.truncated
    assert found.create_time.seconds
    (group,) = found.groups
    members = {member.display_name: member for member in group.members}
    assert set(members) == {"first.wav", "cut.wav", "softer.wav", "copy.mp3", "copy.ogg"}
    assert group.member_count == 5
    assert {name: member.clip for name, member in members.items()}.items() <= copies.names.items()
    longest = group.members[0]
    assert longest.score == 1
    assert longest.duration.ToMilliseconds() >= 1000 * SECONDS
    assert all(0.85 < member.score <= 1.0001 for member in group.members)
    cut = members["cut.wav"]
    assert cut.time_offset.ToMilliseconds() == pytest.approx(9000, abs=750)
    assert span(cut) == pytest.approx((0, 14_500), abs=750)
    for name in ("softer.wav", "copy.mp3", "copy.ogg", "first.wav"):
        assert members[name].time_offset.ToMilliseconds() == pytest.approx(0, abs=500)


def span(member: Duplicate) -> tuple[int, int]:
    """The stretch in milliseconds."""
    return member.start_offset.ToMilliseconds(), member.end_offset.ToMilliseconds()


def test_groups_that_are_at_hand_are_not_sent_again(copies: Copies) -> None:
    """Their tag takes their place; a token of other groups is refused."""
    found = wait(copies.running, copies.library, ready)
    again = ask(copies.running, copies.library, etag=found.etag)
    assert (again.etag, list(again.groups), again.group_count) == (found.etag, [], 1)
    with pytest.raises(ServiceError) as raised:
        ask(copies.running, copies.library, page_token="other:1")  # noqa: S106  of a page
    assert raised.value.reason is Reason.FIELD_INVALID


def test_the_command_line_lists_them(copies: Copies) -> None:
    """As a table and as JSON."""
    target = copies.running.stack.target
    said = run("library", "duplicates", copies.library, "--target", target).stdout
    assert "1 groups of 5 clips, of 6 in the library" in said
    assert "cut.wav" in said
    assert "second.wav" not in said
    asked = ("library", "duplicates", copies.library, "--target", target, "--json")
    found = json.loads(run(*asked).stdout)
    assert (found["state"], found["groupCount"]) == ("STATE_READY", 1)
    assert len(found["groups"][0]["members"]) == 5


def test_a_library_without_clips_has_no_duplicates(shared: Running, library: str) -> None:
    """READY, because there is nothing to wait for."""
    found = wait(shared, library, ready)
    assert (list(found.groups), found.clip_count, found.progress) == ([], 0, 1)
    said = run("library", "duplicates", library, "--target", shared.stack.target).stdout
    assert said == "no duplicates among 0 clips\n"


def test_groups_follow_their_library(
    shared: Running, library: str, take: Callable[..., Path], tmp_path: Path
) -> None:
    """A short clip in two formats is a group, until one of both is deleted."""
    copy = tmp_path / "copy.wav"
    soundfile.write(copy, *soundfile.read(take(2, 1)))
    first, second = (shared.client.upload(library, path).clip for path in (take(2, 1), copy))
    shared.client.upload(library, take(5, 1))
    (group,) = wait(shared, library, ready).groups
    assert {member.clip for member in group.members} == {first.name, second.name}
    stubs = shared.client.stubs
    shared.client.call(stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=second.name))
    left = wait(shared, library, lambda it: ready(it) and not it.groups)
    assert left.clip_count == 2
    shared.client.call(
        stubs.libraries.DeleteLibrary,
        library_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True),
    )
    with pytest.raises(ServiceError) as raised:
        ask(shared, library)
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_a_library_without_windows_is_to_be_migrated_first(shared: Running) -> None:
    """It is told so."""
    client = shared.client
    model = client.call(
        client.stubs.libraries.GetLibrary,
        library_pb2.GetLibraryRequest(name=f"libraries/{shared.library()}"),
    ).model
    made = library_pb2.CreateLibraryRequest(library_id="no-windows", library=Library(model=model))
    with grpc.insecure_channel(shared.stack.addresses.target("catalog")) as channel:
        LibraryServiceStub(channel).CreateLibrary(made)
    with pytest.raises(ServiceError) as raised:
        ask(shared, "no-windows")
    assert raised.value.reason is Reason.STATE_CONFLICT
    assert "migrate" in raised.value.message
