"""Both sides of a call: one channel is heard where it is asked for, and mixing them is told."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import soundfile
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.embedding.v1.embedding_pb2 import (
    AUDIO_REMARK_UNLIKE_CHANNELS_MIXED as UNLIKE,
)
from audiosearch.gateway.v1 import search_pb2, speakers_pb2

from serving.errors import Reason, ServiceError
from tests.calls import LEFT, RIGHT, call, record_call, sides
from tests.end_to_end.command_line import Run
from tests.end_to_end.command_line import run as run_command
from tests.end_to_end.conftest import Running
from tests.end_to_end.enrollments import clips, refused
from tests.end_to_end.test_import import finish
from tests.remarks import of_file
from tests.vowels import RATE, record

ANN, BOB = 0, 3
"""The voices of the calls, in the left and in the right channel."""
MIXED = "AUDIO_REMARK_UNLIKE_CHANNELS_MIXED"


@pytest.fixture
def run(shared: Running, tmp_path: Path) -> Run:
    """Runs `audiosearch` with arguments against the shared stack, in a folder of its own."""
    return partial(run_command, AUDIOSEARCH_TARGET=shared.stack.target, cwd=tmp_path)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A call of Ann and Bob."""
    return record_call(tmp_path, ANN, BOB)


@pytest.fixture
def alone(tmp_path: Path) -> dict[int, Path]:
    """What each of them says in that call, by channel, as a file of one channel."""
    paths = {}
    for channel, sound in enumerate(sides(ANN, BOB), 1):
        paths[channel] = tmp_path / f"side-{channel}.wav"
        soundfile.write(paths[channel], sound, RATE, subtype="PCM_16")
    return paths


def test_both_sides_of_a_call_are_kept(
    shared: Running, library: str, recording: Path, alone: dict[int, Path]
) -> None:
    """The same file is a clip for each channel, each found by what is said in it, and only once."""
    client, kept = shared.client, {}
    for channel in (LEFT, RIGHT, 0):
        answer = client.upload(library, recording, Clip(channel=channel))
        assert answer.created
        assert answer.clip.channel == channel
        assert answer.clip.audio.channels == 2
        assert of_file(answer.clip.audio.remarks) == ([] if channel else [UNLIKE])
        kept[channel] = answer.clip
        again = client.upload(library, recording, Clip(channel=channel))
        assert (again.created, again.clip) == (False, answer.clip)
    for channel, path in alone.items():
        best = client.search(library, path).matches[0]
        assert best.clip.name == kept[channel].name
        assert best.score > 0.999
        downloaded = path.with_name("downloaded")
        with downloaded.open("wb") as file:
            client.download(kept[channel].name, file)
        assert downloaded.read_bytes() == recording.read_bytes()
    assert {clip.name: of_file(clip.audio.remarks) for clip in clips(shared, library)}[
        kept[0].name
    ] == [UNLIKE]


def test_a_search_hears_one_channel(
    shared: Running, library: str, recording: Path, alone: dict[int, Path]
) -> None:
    """In one message and in a stream; without a channel the answer tells that two were mixed."""
    client = shared.client
    kept = {channel: client.upload(library, path).clip for channel, path in alone.items()}
    for channel, clip in kept.items():
        request = search_pb2.SearchClipsRequest(
            config=search_pb2.SearchConfig(parent=f"libraries/{library}"),
            audio=recording.read_bytes(),
            channel=channel,
        )
        whole = client.call(client.stubs.search.SearchClips, request)
        for answer in (whole, client.search(library, recording, channel=channel)):
            assert answer.matches[0].clip.name == clip.name
            assert answer.matches[0].score > 0.999
            assert not of_file(answer.query_audio.remarks)
    assert of_file(client.search(library, recording).query_audio.remarks) == [UNLIKE]


def test_voices_are_enrolled_and_recognised_by_channel(
    shared: Running, library: str, tmp_path: Path, recording: Path
) -> None:
    """Each side of one call enrolls its speaker; each side of another one is recognised."""
    speakers = shared.client.speakers
    other = record_call(tmp_path, ANN, BOB, take=5)
    for channel, name in ((LEFT, "ann"), (RIGHT, "bob")):
        made = speakers.enroll(library, name, [recording], channel=channel)
        assert made.outcomes[0].clip.channel == channel
        assert not of_file(made.outcomes[0].clip.audio.remarks)
    for channel, name, stranger in ((LEFT, "ann", "bob"), (RIGHT, "bob", "ann")):
        accept = speakers_pb2.VerifySpeakerResponse.DECISION_ACCEPT
        found = speakers.identify(library, other, channel=channel)
        assert [match.speaker.display_name for match in found.matches] == [name]
        assert not of_file(found.audio.remarks)
        assert speakers.verify(library, name, other, channel).decision == accept
        assert speakers.verify(library, stranger, other, channel).decision != accept
    assert of_file(speakers.verify(library, "ann", other).audio.remarks) == [UNLIKE]
    assert of_file(speakers.identify(library, other).audio.remarks) == [UNLIKE]
    mixed = speakers.enroll(library, "mixed", [other])
    assert of_file(mixed.outcomes[0].clip.audio.remarks) == [UNLIKE]


def test_a_recording_has_a_channel_of_its_own(shared: Running, library: str) -> None:
    """Of two calls, a customer may be in the left channel of one and the right of the other."""
    kind = speakers_pb2.EnrollSpeakerRequest
    requests = [
        kind(
            config=speakers_pb2.EnrollSpeakerConfig(
                parent=f"libraries/{library}", speaker_id="ann", channel=LEFT
            )
        ),
        kind(recording=speakers_pb2.Recording()),
        kind(audio_chunk=call(ANN, BOB, 1)),
        kind(recording=speakers_pb2.Recording(channel=RIGHT)),
        kind(audio_chunk=call(BOB, ANN, 2)),
    ]
    answer = shared.client.call(shared.client.stubs.speakers.EnrollSpeaker, iter(requests))
    assert [outcome.clip.channel for outcome in answer.outcomes] == [LEFT, RIGHT]
    assert answer.outcomes[1].agreement > 0.8


def test_a_channel_that_is_not_there(
    shared: Running, library: str, recording: Path, tmp_path: Path
) -> None:
    """It is refused wherever audio is taken, and the refusal says how many channels there are."""
    client, speakers = shared.client, shared.client.speakers
    speakers.enroll(library, "ann", [record(tmp_path, ANN, 0, 2.0)])
    for refuse in (
        lambda: client.search(library, recording, channel=3),
        lambda: client.upload(library, recording, Clip(channel=3)),
        lambda: client.embed(recording, channel=3),
        lambda: speakers.verify(library, "ann", recording, channel=3),
        lambda: speakers.identify(library, recording, channel=3),
        lambda: speakers.enroll(library, "bob", [recording], channel=3),
    ):
        with pytest.raises(ServiceError) as raised:
            refuse()
        assert raised.value.reason is Reason.AUDIO_CHANNEL_MISSING
        assert "the audio has 2 channels" in raised.value.message


def test_a_clip_is_heard_as_it_is_stored(shared: Running, library: str, tmp_path: Path) -> None:
    """A channel beside a clip is refused."""
    client, speakers = shared.client, shared.client.speakers
    clip = client.upload(library, record(tmp_path, ANN, 0, 2.0)).clip.name
    speakers.enroll(library, "ann", [clip])
    request = search_pb2.SearchClipsRequest(
        config=search_pb2.SearchConfig(parent=f"libraries/{library}"), clip=clip, channel=1
    )
    for refuse in (
        lambda: client.call(client.stubs.search.SearchClips, request),
        lambda: speakers.verify(library, "ann", clip, channel=1),
        lambda: speakers.identify(library, clip, channel=1),
    ):
        assert refused(refuse) is Reason.FIELD_INVALID


def test_an_import_hears_one_channel_of_every_file(
    shared: Running, library: str, run: Run, tmp_path: Path
) -> None:
    """By the server and by upload; files that have no such channel fail, and no others."""
    folder = shared.folder()
    record_call(folder, ANN, BOB)
    record(folder, ANN, 0, 2.0)
    for channel in (0, RIGHT):
        operation = shared.client.import_folder(library, str(folder), channel=channel)
        job = finish(shared, operation.name)
        assert job.channel == channel
        assert job.progress.imported == (1 if channel else 2)
        assert of_file(job.progress.remarks) == ([] if channel else [MIXED])
    assert [failure.failure.reason for failure in job.failures] == ["AUDIO_CHANNEL_MISSING"]
    assert sorted(clip.channel for clip in clips(shared, library)) == [0, 0, RIGHT]
    for times in range(2):
        done = run(
            *("import", folder, "--channel", "left", "--from", "client"), "-l", library, "--json"
        )
        progress = json.loads(done.stdout)["progress"]
        assert (progress["imported"], progress["existing"]) == (("2", "0"), ("0", "2"))[times]
        assert not of_file(progress["remarks"])
    assert sorted(clip.channel for clip in clips(shared, library)) == [0, 0, 1, 1, 2]


def test_the_command_line(run: Run, library: str, recording: Path, tmp_path: Path) -> None:
    """It takes channels by side and number, and says in words what has to be told."""
    told = "note: channels that hold different sounds were mixed"
    inside = ("-l", library)
    imported = run("import", recording, *inside).stdout
    assert f"note: 1 file: {told[6:]}" in imported
    (mixed,) = json.loads(run("clip", "list", *inside, "--json").stdout)["clips"]
    assert told[6:] in run("clip", "show", mixed["name"]).stdout
    for channel in ("left", "2"):
        run("import", recording, "--channel", channel, *inside)
        assert told not in run("search", recording, "--channel", channel, *inside).stdout
    assert told in run("search", recording, *inside).stdout
    assert told in run("embed", recording).stdout
    assert told not in run("embed", recording, "--channel", "right").stdout
    enrolled = run("speaker", "enroll", "both", recording, *inside).stdout
    assert f"note: {recording.name}: {told[6:]}" in enrolled
    speaker = partial(run, "speaker")
    speaker("enroll", "ann", record_call(tmp_path, ANN, BOB, 3), "--channel", "left", *inside)
    other = record_call(tmp_path, ANN, BOB, 4)
    assert "ACCEPT" in speaker("verify", "ann", other, "--channel", "left", *inside).stdout
    assert told in speaker("verify", "ann", other, *inside).stdout
    assert told in speaker("identify", other, *inside).stdout
    assert "ann" in speaker("identify", other, "--channel", "1", *inside).stdout
    refusal = run("search", recording, "--channel", "3", *inside, code=1).stderr
    assert "AUDIO_CHANNEL_MISSING" in refusal
    for wrong in ("middle", "65", "-1", "²"):
        assert "mix, left" in run("search", recording, "--channel", wrong, *inside, code=2).stderr
    run("search", "--clip", mixed["name"], "--channel", "left", *inside, code=2)
