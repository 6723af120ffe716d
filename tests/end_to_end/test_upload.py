"""Uploading: accepted and refused audio, and the traces of both."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.gateway.v1 import clips_pb2
from audiosearch.index.v1.index_service_pb2 import DropIndexRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from deploy import example_sounds
from gateway.libraries import indexes
from serving.errors import Reason, ServiceError, from_rpc_error
from tests.end_to_end.conftest import Running
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.processes import until

RATE = 16_000


def encoded(
    samples: np.ndarray, rate: int = RATE, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    """Samples as a file in memory."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def noise(seconds: float, channels: int = 1, rate: int = RATE) -> np.ndarray:
    """Reproducible noise."""
    return 0.3 * np.random.default_rng(5).standard_normal((int(seconds * rate), channels))


def listed(shared: Running, library: str, state: Clip.State.ValueType) -> list[Clip]:
    """All clips of a library in a state."""
    request = clip_pb2.ListClipsRequest(filter=ClipFilter(state=state))
    return list(shared.client.clips(library, request))


def send(
    shared: Running, library: str, audio: bytes, **config: object
) -> clips_pb2.UploadClipResponse:
    """Uploads bytes in chunks of a quarter of a MiB."""

    def requests() -> Iterator[clips_pb2.UploadClipRequest]:
        yield clips_pb2.UploadClipRequest(
            config=clips_pb2.UploadClipConfig(parent=f"libraries/{library}", **config)
        )
        for start in range(0, len(audio), 2**18):
            yield clips_pb2.UploadClipRequest(audio_chunk=audio[start : start + 2**18])

    return shared.client.call(shared.client.stubs.clips.UploadClip, requests(), patience=5)


BAD_AUDIO = {
    "empty": (b"", Reason.AUDIO_UNDECODABLE),
    "a text file": (b"this is not audio\n" * 100, Reason.AUDIO_UNDECODABLE),
    "a header alone": (encoded(noise(1))[:44], Reason.AUDIO_UNDECODABLE),
    "a flac's head": (encoded(noise(1), kind="FLAC")[:200], Reason.AUDIO_UNDECODABLE),
    "silence": (encoded(np.zeros(RATE)), Reason.AUDIO_SILENT),
    "10 ms": (encoded(noise(0.01)), Reason.AUDIO_TOO_SHORT),
    "not a number": (
        encoded(np.full(RATE, np.nan, np.float32), subtype="FLOAT"),
        Reason.AUDIO_UNDECODABLE,
    ),
    "10 hours": (encoded(np.zeros(RATE * 36_000, np.int16), kind="FLAC"), Reason.AUDIO_TOO_LONG),
    "a play list": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", Reason.AUDIO_UNDECODABLE),
}


@pytest.mark.parametrize("name", BAD_AUDIO)
def test_bad_audio_is_told_apart_and_leaves_only_a_failed_clip(
    shared: Running, library: str, name: str
) -> None:
    """Its typed reason comes back and stands at the clip; no audio and no vector stay."""
    audio, reason = BAD_AUDIO[name]
    with pytest.raises(ServiceError) as raised:
        send(shared, library, audio)
    assert raised.value.reason is reason
    assert raised.value.message
    (failed,) = listed(shared, library, Clip.STATE_FAILED)
    assert failed.failure.reason == reason.value
    assert not listed(shared, library, Clip.STATE_ACTIVE)
    assert not listed(shared, library, Clip.STATE_CREATING)
    with pytest.raises(ServiceError) as raised:
        shared.client.download(failed.name, io.BytesIO())
    assert raised.value.reason is Reason.AUDIO_NOT_FOUND


def test_the_service_goes_on_after_all_of_them(shared: Running, library: str) -> None:
    """Bad audio, then good audio."""
    for audio, _ in BAD_AUDIO.values():
        with pytest.raises(ServiceError):
            send(shared, library, audio)
    assert send(shared, library, encoded(noise(1))).created


def test_eight_channels_at_192_khz_are_taken(shared: Running, library: str) -> None:
    """They are averaged and resampled."""
    clip = send(shared, library, encoded(noise(0.5, 8, 192_000), 192_000)).clip
    assert (clip.audio.channels, clip.audio.sample_rate) == (8, 192_000)
    assert clip.audio.duration.ToMilliseconds() == 500


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("FLAC", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None), ("AIFF", None)],
)
def test_other_formats_of_a_sound_find_it(
    shared: Running, library: str, tmp_path: Path, kind: str, subtype: str | None
) -> None:
    """A lossy copy is most like its original."""
    sound = example_sounds.make("sword_clash", 9)
    send(shared, library, encoded(sound))
    send(shared, library, encoded(example_sounds.make("bronze_bell", 9)))
    path = tmp_path / "query"
    path.write_bytes(encoded(sound, kind=kind, subtype=subtype))
    answer = shared.client.search(library, path, k=1)
    assert answer.matches[0].clip.audio.duration.ToMilliseconds() == 1600
    assert answer.query_audio.duration.ToMilliseconds() == pytest.approx(1600, abs=60)


def test_the_same_bytes_are_one_clip(shared: Running, library: str) -> None:
    """The clip that is there comes back, unless the caller wants to be told."""
    first = send(shared, library, encoded(noise(1)), clip=Clip(display_name="first"))
    again = send(shared, library, encoded(noise(1)), clip=Clip(display_name="again"))
    assert (first.created, again.created) == (True, False)
    assert again.clip == first.clip
    with pytest.raises(ServiceError) as raised:
        send(
            shared,
            library,
            encoded(noise(1)),
            duplicates=clips_pb2.UploadClipConfig.DUPLICATE_POLICY_FAIL,
        )
    assert raised.value.reason is Reason.CLIP_EXISTS
    assert raised.value.metadata["clip"] == first.clip.name
    assert len(listed(shared, library, Clip.STATE_ACTIVE)) == 1


def test_the_same_bytes_at_the_same_time_are_one_clip(shared: Running, library: str) -> None:
    """Twelve uploads at once."""
    audio = encoded(noise(0.7))
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: send(shared, library, audio), range(12)))
    assert len({answer.clip.name for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    assert len(listed(shared, library, Clip.STATE_ACTIVE)) == 1


def test_a_repeated_request_id_makes_one_clip(shared: Running, library: str) -> None:
    """A client that lost the answer may ask again."""
    first = send(shared, library, encoded(noise(1)), request_id="once")
    again = send(shared, library, encoded(noise(1)), request_id="once")
    assert again.clip.name == first.clip.name
    assert (first.created, again.created) == (True, False)


def test_a_repeated_request_id_with_other_bytes_is_refused(shared: Running, library: str) -> None:
    """The clip that it made stays as it is. Another library has the id for itself."""
    first = send(shared, library, encoded(noise(1)), request_id="mine")
    with pytest.raises(ServiceError) as raised:
        send(shared, library, encoded(noise(2)), request_id="mine")
    assert raised.value.reason is Reason.FIELD_INVALID
    assert raised.value.metadata["field"] == "request_id"
    assert first.clip.name in raised.value.message
    elsewhere = send(shared, shared.library(), encoded(noise(2)), request_id="mine")
    assert elsewhere.created
    assert send(shared, library, encoded(noise(1)), request_id="mine").clip == first.clip


def test_what_is_known_of_a_clip_is_kept(shared: Running, library: str) -> None:
    """Names of any script, labels and metadata."""
    known = Clip(
        display_name="声音 🔔.wav", label="bell", speaker="O'Hara", metadata={"session": "7"}
    )
    clip = send(shared, library, encoded(noise(1)), clip=known).clip
    assert (clip.display_name, clip.label, clip.speaker) == ("声音 🔔.wav", "bell", "O'Hara")
    assert dict(clip.metadata) == {"session": "7"}
    assert clip.audio_object.content_type == "audio/wav"


def test_a_stream_without_config_is_refused(shared: Running) -> None:
    """The first message has to hold it."""
    with pytest.raises(ServiceError) as raised:
        shared.client.call(
            shared.client.stubs.clips.UploadClip,
            iter([clips_pb2.UploadClipRequest(audio_chunk=b"x")]),
        )
    assert raised.value.reason is Reason.FIELD_INVALID
    with pytest.raises(ServiceError):
        shared.client.call(shared.client.stubs.clips.UploadClip, iter([]))


def test_a_second_config_is_refused(shared: Running, library: str) -> None:
    """And leaves nothing searchable."""
    config = clips_pb2.UploadClipRequest(
        config=clips_pb2.UploadClipConfig(parent=f"libraries/{library}")
    )
    with pytest.raises(ServiceError) as raised:
        shared.client.call(shared.client.stubs.clips.UploadClip, iter([config, config]))
    assert raised.value.reason is Reason.FIELD_INVALID
    assert not listed(shared, library, Clip.STATE_ACTIVE)


def test_a_message_over_the_limit_is_refused(shared: Running, library: str) -> None:
    """A chunk of 5 MiB, where 4 MiB are allowed."""
    config = clips_pb2.UploadClipConfig(parent=f"libraries/{library}")
    requests = [
        clips_pb2.UploadClipRequest(config=config),
        clips_pb2.UploadClipRequest(audio_chunk=bytes(5 * 2**20)),
    ]
    with pytest.raises(grpc.RpcError) as raised:
        shared.client.stubs.clips.UploadClip(iter(requests), timeout=30)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    eventually_empty(shared, library)


def test_a_stream_that_stops_half_way_leaves_nothing(shared: Running, library: str) -> None:
    """The client goes away in the middle of a file."""
    hold = threading.Event()

    def requests() -> Iterator[clips_pb2.UploadClipRequest]:
        config = clips_pb2.UploadClipConfig(parent=f"libraries/{library}")
        yield clips_pb2.UploadClipRequest(config=config)
        yield clips_pb2.UploadClipRequest(audio_chunk=encoded(noise(3))[:40_000])
        hold.wait(30)

    call = shared.client.stubs.clips.UploadClip.future(requests(), timeout=60)
    until(lambda: listed(shared, library, Clip.STATE_CREATING))
    call.cancel()
    hold.set()
    eventually_empty(shared, library)
    arriving = shared.stack.data_dir / "audio" / ".incoming"
    until(lambda: not [path for path in arriving.glob("*/*") if path.name != "check"])


def test_a_stream_that_stalls_ends_at_its_deadline(shared: Running, library: str) -> None:
    """And leaves nothing."""
    hold = threading.Event()

    def requests() -> Iterator[clips_pb2.UploadClipRequest]:
        config = clips_pb2.UploadClipConfig(parent=f"libraries/{library}")
        yield clips_pb2.UploadClipRequest(config=config)
        hold.wait(30)

    with pytest.raises(grpc.RpcError) as raised:
        shared.client.stubs.clips.UploadClip(requests(), timeout=1)
    hold.set()
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually_empty(shared, library)


def test_an_unknown_library_is_told_before_the_audio_is_read(shared: Running) -> None:
    """LIBRARY_NOT_FOUND."""
    with pytest.raises(ServiceError) as raised:
        send(shared, "nowhere", encoded(noise(1)))
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


@pytest.mark.parametrize("complete", [True, False])
def test_a_library_deleted_during_an_upload_is_told(
    shared: Running, library: str, *, complete: bool
) -> None:
    """LIBRARY_NOT_FOUND, as after the deletion, and not the word of a service behind."""
    name = f"libraries/{library}"

    def half_deleted() -> None:
        """As in the middle of a deletion: the indexes are dropped, the catalog's rows are there."""
        target = shared.stack.addresses.target
        with (
            grpc.insecure_channel(target("catalog")) as catalog,
            grpc.insecure_channel(target("index")) as index,
        ):
            begun = CatalogStubs(catalog).libraries.BeginLibraryDeletion(
                library_pb2.BeginLibraryDeletionRequest(name=name, force=True)
            )
            for index_id in indexes.present(begun).kinds:
                IndexServiceStub(index).DropIndex(DropIndexRequest(index_id=index_id))

    def requests() -> Iterator[clips_pb2.UploadClipRequest]:
        audio = encoded(noise(3))
        yield clips_pb2.UploadClipRequest(config=clips_pb2.UploadClipConfig(parent=name))
        yield clips_pb2.UploadClipRequest(audio_chunk=audio[:40_000])
        until(lambda: listed(shared, library, Clip.STATE_CREATING))
        if complete:
            shared.client.call(
                shared.client.stubs.libraries.DeleteLibrary,
                library_pb2.DeleteLibraryRequest(name=name, force=True),
            )
        else:
            half_deleted()
        yield clips_pb2.UploadClipRequest(audio_chunk=audio[40_000:])

    with pytest.raises(ServiceError, match="deleted") as raised:
        shared.client.call(shared.client.stubs.clips.UploadClip, requests())
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_a_file_that_is_too_large_is_told_before_it_is_sent(
    shared: Running, library: str, tmp_path: Path
) -> None:
    """By the file's size, whatever it is for; nothing of it reaches the catalog."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.truncate(1401 * 2**20)
    client = shared.client
    for send_it in (
        lambda: client.upload(library, path),
        lambda: client.search(library, path),
        lambda: client.embed(path),
        lambda: client.speakers.enroll(library, "ann", [path]),
        lambda: client.speakers.verify(library, "ann", path),
        lambda: client.speakers.identify(library, path),
    ):
        with pytest.raises(ServiceError, match=r"1,400\.0 MiB .* this is 1,401\.0 MiB") as raised:
            send_it()
        assert raised.value.reason is Reason.AUDIO_TOO_LONG
    every = (Clip.STATE_CREATING, Clip.STATE_ACTIVE, Clip.STATE_FAILED, Clip.STATE_DELETING)
    assert not [clip for state in every for clip in listed(shared, library, state)]


def test_field_limits_are_told(shared: Running, library: str) -> None:
    """A name of 300 characters names the field."""
    with pytest.raises(ServiceError, match="display_name") as raised:
        send(shared, library, encoded(noise(1)), clip=Clip(display_name="x" * 300))
    assert raised.value.reason is Reason.FIELD_INVALID


def test_errors_carry_the_request_id(shared: Running) -> None:
    """The caller's id comes back with the error, so that the log can be found."""
    request = library_pb2.GetLibraryRequest(name="libraries/nowhere")
    with pytest.raises(grpc.RpcError) as raised:
        shared.client.stubs.libraries.GetLibrary(
            request, timeout=10, metadata=(("x-request-id", "find-me"),)
        )
    assert ("x-request-id", "find-me") in [tuple(pair) for pair in raised.value.trailing_metadata()]
    known = from_rpc_error(raised.value)
    assert known
    assert known.reason is Reason.LIBRARY_NOT_FOUND


def eventually_empty(shared: Running, library: str) -> None:
    """Waits until a library holds no clip in any state."""
    states = (Clip.STATE_CREATING, Clip.STATE_ACTIVE, Clip.STATE_FAILED, Clip.STATE_DELETING)
    until(lambda: not any(listed(shared, library, state) for state in states))
