"""The traces of an upload whose caller goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.gateway.v1 import clips_pb2

from tests.end_to_end.conftest import Running
from tools.servers.processes import until

CREATING = ClipFilter(state=Clip.STATE_CREATING)


def half(
    parent: str, audio: bytes, go_on: threading.Event
) -> Iterator[clips_pb2.UploadClipRequest]:
    """The begin of an upload; the rest waits until it is told to come."""
    yield clips_pb2.UploadClipRequest(
        config=clips_pb2.UploadClipConfig(parent=parent, request_id="one")
    )
    yield clips_pb2.UploadClipRequest(audio_chunk=audio[:1000])
    go_on.wait(60)


def test_a_repeat_is_not_undone_with_the_first_try(
    shared: Running, library: str, sounds: Path
) -> None:
    """A caller tries again while its first call hangs. The second call's clip stays."""
    path, go_on, client = sounds / "bronze_bell_1.wav", threading.Event(), shared.client
    first = client.stubs.clips.UploadClip.future(
        half(f"libraries/{library}", path.read_bytes(), go_on), timeout=60
    )
    try:
        creating = clip_pb2.ListClipsRequest(filter=CREATING)
        until(lambda: len(list(client.clips(library, creating))) == 1)
        stored = client.upload(library, path, request_id="one").clip
        assert stored.state == Clip.STATE_ACTIVE
        first.cancel()
        for _ in range(20):  # the undo is not seen from here: it has this time to go wrong
            time.sleep(0.1)
            clip = client.call(
                client.stubs.clips.GetClip, clip_pb2.GetClipRequest(name=stored.name)
            )
            assert clip.state == Clip.STATE_ACTIVE
        (match,) = client.search(library, path).matches
        assert match.clip.name == stored.name
    finally:
        go_on.set()
