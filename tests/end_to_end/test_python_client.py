"""`Client` and `AsyncClient`, beside the examples of docs/python.md, which run too."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import PcmFormat
from audiosearch.embedding.v1.embedding_service_pb2 import StreamEmbeddingsConfig
from audiosearch_client import AsyncClient, Client, Like, Reason, ServiceError

from tests.end_to_end.conftest import Running

RATE = 16_000


@pytest.fixture
def client(shared: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client that finds its gateway by the environment, as the command line does."""
    monkeypatch.setenv("AUDIOSEARCH_TARGET", shared.stack.target)
    with Client() as made:
        yield made


def test_every_kind_of_query_finds_the_same(client: Client, filled: Library, sounds: Path) -> None:
    """A text, a path, bytes, samples, a vector, a clip and an example."""
    library = client.libraries.get(filled.name)
    assert library.clip_count == 20
    path = sounds / "bronze_bell_1.wav"
    first = client.search(library, str(path), k=2)
    assert first[0].score == 1
    vector = client.embed(path)
    assert len(vector) == len(np.asarray(vector.values)) == 192
    assert vector.similarity(vector) == pytest.approx(1, abs=1e-3)
    for query in (path, path.read_bytes(), vector):
        assert client.search(library, query, k=2).rows() == first.rows()
    assert client.search(library, client.clips.audio(first[0].clip), k=2)[0].clip == first[0].clip
    for query in (first[0].clip, first[0].clip.full_name, Like([first[0].clip])):
        assert client.search(library, query, k=1)[0].clip == first[1].clip
    assert not client.search(library, path, label="none such")


def test_a_kept_query_is_searched_with_by_its_name(
    client: Client, filled: Library, sounds: Path, library: str
) -> None:
    """All of it or a part, page by page; it is no clip, and of one library."""
    short, path = filled.name.removeprefix("libraries/"), sounds / "bronze_bell_1.wav"
    clips = client.libraries.get(short).clip_count
    kept = client.queries.create(short, path)
    assert (kept.name, kept.library) == (path.name, short)
    assert client.queries.get(kept.full_name) == kept
    assert client.queries.audio(kept).data == path.read_bytes()
    found = client.search(short, kept, k=3)
    assert found == client.search(short, path, k=3)
    assert found == client.search(short, kept.full_name, k=3)
    assert client.search(short, kept, k=3, page=found.next_page) == client.search(
        short, path, k=3, page=found.next_page
    )
    part = (0.5, 1.5)
    assert client.search(short, kept, k=3, part=part) == client.search(short, path, k=3, part=part)
    assert client.libraries.get(short).clip_count == clips
    for wrong, reason in (
        (lambda: client.search(library, kept), Reason.FIELD_INVALID),
        (lambda: client.search(short, kept, channel=1), Reason.FIELD_INVALID),
        (lambda: client.search(short, kept.full_name + "0"), Reason.QUERY_NOT_FOUND),
        (lambda: client.queries.get("bell"), Reason.FIELD_INVALID),
    ):
        with pytest.raises(ServiceError) as raised:
            wrong()
        assert raised.value.reason is reason


def test_samples_become_a_clip_that_can_be_changed(client: Client, library: str) -> None:
    """And only what is named changes."""
    tone = np.sin(np.arange(2 * RATE) / 7)
    clip = client.clips.upload(library, tone, rate=RATE, label="tone", metadata={"a": "b"})
    assert (clip.name, clip.duration, clip.library) == ("samples.wav", 2.0, library)
    changed = client.clips.update(clip, name="Tone")
    assert (changed.name, changed.label, changed.metadata) == ("Tone", "tone", {"a": "b"})
    assert client.clips.update(clip, label="").label == ""
    assert [each.name for each in client.clips.list(library, label="")] == ["Tone"]
    assert not list(client.clips.list(library, label="tone"))
    with pytest.raises(ValueError, match="name what to change"):
        client.clips.update(clip)
    client.clips.delete(clip)
    assert [each.id for each in client.clips.trash(library)] == [clip.id]
    assert client.clips.restore(clip).name == "Tone"
    client.clips.delete(clip, permanent=True)
    with pytest.raises(ServiceError) as raised:
        client.clips.get(clip)
    assert raised.value.reason is Reason.CLIP_NOT_FOUND


def test_imports_tell_their_progress(client: Client, shared: Running, sounds: Path) -> None:
    """Of this machine, and of the server; what fails does not stop the others."""
    folder = shared.folder()
    for name in ("bronze_bell_1.wav", "bronze_bell_2.wav"):
        (folder / name).write_bytes((sounds / name).read_bytes())
    (folder / "broken.wav").write_bytes(b"RIFF nothing")
    (folder / "notes.txt").write_text("no sound")
    library = shared.library()
    shares: list[float] = []
    done = client.clips.upload_folder(
        library, folder, progress=lambda now: shares.append(now.share)
    )
    assert (done.state, done.imported, done.failed, done.passed_over) == (
        *("succeeded", 2, 1),
        {".txt": 1},
    )
    assert [each.path for each in done.failures] == ["broken.wav"]
    assert shares[-1] == 1
    with pytest.raises(ValueError, match="no operation"):
        client.operations.get(done)
    started = client.operations.start_import(library, str(folder))
    again = client.operations.wait(started, progress=lambda now: shares.append(now.share))
    assert (again.state, again.existing, again.failed, again.share) == ("succeeded", 2, 1, 1)
    assert [each.operation for each in client.operations.list(library)] == [started.operation]


async def test_an_event_loop_makes_many_calls_and_ends_one(
    client: Client, filled: Library, sounds: Path
) -> None:
    """Results come together, iterators page, and a cancelled call holds nothing up."""
    short = filled.name.rpartition("/")[2]
    async with AsyncClient(calls=4) as several:
        clips = [clip async for clip in several.clips.list(short)]
        found = await asyncio.gather(*(several.search(short, clip, k=1) for clip in clips))
        expected = client.search(short, clips[0], k=1)
        assert found[0].rows() == expected.rows()
        with pytest.raises(ServiceError, match="not-there"):
            await several.libraries.get("not-there")

        def endless() -> Iterator[bytes]:
            while True:
                sent.set()
                time.sleep(0.05)
                yield bytes(RATE // 10)

        sent = threading.Event()
        pcm = PcmFormat(sample_rate=RATE)
        config = StreamEmbeddingsConfig(pcm=pcm)
        answers = several._threads.run(
            lambda: list(client.calls.stream_embeddings(endless(), config))
        )
        running = asyncio.ensure_future(answers)
        await asyncio.to_thread(sent.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.to_thread(several._threads._pool.shutdown)  # its thread has ended
