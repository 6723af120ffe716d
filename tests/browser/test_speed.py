"""The time from dropping a sound to seeing the first result; it is printed, not judged."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest, SearchRecord
from google.protobuf.duration_pb2 import Duration
from playwright.sync_api import expect

from deploy import example_sounds
from serving.tls.files import Tls
from tests.browser.chromium import drop
from tests.browser.conftest import Visit
from tests.browser.pages import query, results
from tests.browser.site import Site

SEARCHES = 16
WATCH = """() => {
  window.taken = [];
  const painted = (then) => requestAnimationFrame(() => setTimeout(() => then(performance.now())));
  window.addEventListener("drop", () => {
    const dropped = performance.now();
    const old = document.querySelector("li.sound");
    const sight = new MutationObserver(() => {
      const first = document.querySelector("li.sound");
      if (!first || first === old) return;
      sight.disconnect();
      painted((seen) => window.taken.push(seen - dropped));
    });
    sight.observe(document.body, { childList: true, subtree: true });
  }, { capture: true });
}"""
"""Notes the milliseconds from a drop to the frame that shows the first new result."""


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sounds of five seconds, no two the same."""
    folder, kinds = tmp_path_factory.mktemp("queries"), list(example_sounds.KINDS)
    paths = []
    for number in range(SEARCHES):
        kind = kinds[number % len(kinds)]
        sound = np.resize(example_sounds.make(kind, 100 + number), 5 * example_sounds.RATE)
        paths.append(example_sounds.write(folder / f"{number} {kind}.wav", sound))
    return paths


def _median(durations: list[Duration]) -> float:
    return statistics.median(each.ToMilliseconds() for each in durations)


def _embedding_alone(shared: Site, queries: list[Path]) -> float:
    """Median of milliseconds that the embedding service takes, asked without a gateway."""
    taken = []
    with Tls().connect(shared.stack.addresses.target("embedding")) as channel:
        stub = EmbeddingServiceStub(channel)
        for path in queries:
            config = embedding_pb2.EmbedAudioRequest(config=embedding_pb2.EmbedAudioConfig())
            audio = embedding_pb2.EmbedAudioRequest(audio_chunk=path.read_bytes())
            start = time.perf_counter()
            stub.EmbedAudio(iter([config, audio]), timeout=60)
            taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)


def _report(milliseconds: list[float], records: list[SearchRecord], alone: float) -> str:
    whole = _median([each.total_duration for each in records])
    embedding = _median([each.embedding_duration for each in records])
    return (
        f"\n{len(milliseconds)} searches with 5 s of sound, from the drop to the first result on "
        f"screen: p50 {statistics.median(milliseconds):.0f} ms, most {max(milliseconds):.0f} ms. "
        f"Of it in the gateway {whole:.0f} ms, there for the embedding {embedding:.0f} ms; "
        f"the embedding service asked alone takes {alone:.0f} ms.\n"
    )


def test_time_to_the_first_result(
    visit: Visit, filled: str, shared: Site, queries: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Sixteen sounds, one after the other; the time is printed next to that of the encoder."""
    page = visit(f"#/search?library={filled}")
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()
    page.evaluate(WATCH)
    for number, path in enumerate(queries):
        drop(page, query(page), path)
        page.wait_for_function("count => window.taken.length > count", arg=number)
        expect(results(page)).to_have_count(10)
    status = shared.client.call(shared.client.stubs.status.GetStatus, GetStatusRequest())
    report = _report(
        page.evaluate("window.taken"),
        list(status.searches[:SEARCHES]),
        _embedding_alone(shared, queries),
    )
    with capsys.disabled():
        sys.stdout.write(report)
