"""Pieces of audio that wait for the model together run together, and none harms another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_service.checkpoints.archive import read_checkpoint
from embedding_service.checkpoints.checkpoint import BUNDLED_FOLDER, Checkpoint, Source
from embedding_service.network.batching import Batcher, Work
from embedding_service.network.engine import Options
from embedding_service.network.model import Model
from embedding_service.network.precision import Precision
from serving.caller import BACKGROUND


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The bundled model, in fp32."""
    checkpoint = Checkpoint("small", Source.BUNDLED, read_checkpoint(Path(BUNDLED_FOLDER)))
    options = Options(precision=Precision.FP32, cache=tmp_path_factory.mktemp("cache"))
    return Model(checkpoint, options)


@pytest.fixture
def batcher(model: Model) -> Iterator[Batcher]:
    """Takes pieces for it."""
    with Batcher(model) as made:
        yield made


def noise(seconds: float, seed: int = 0) -> Any:
    """Noise of a colour of its own."""
    random = np.random.default_rng(seed)
    white = 0.1 * random.standard_normal(round(16000 * seconds))
    return np.convolve(white, random.standard_normal(8), "same").astype(np.float32)


def put(batcher: Batcher, samples: Any) -> Future[Any]:
    """Puts in one piece."""
    return batcher.submit(len(samples), lambda: samples, Work("key:a", len(samples)))


class Gate:
    """A piece that holds the model's thread until it is opened."""

    def __init__(self, batcher: Batcher) -> None:
        """Waits until the thread is held."""
        self._open = threading.Event()
        self._reached = threading.Event()
        self.piece = batcher.submit(16000 * 60, self._read, Work("key:gate", 16000 * 60))
        self._reached.wait(30)

    def _read(self) -> Any:
        self._reached.set()
        self._open.wait(30)
        return noise(0.3)

    def open(self) -> None:
        """Lets the thread go on."""
        self._open.set()


def test_together_as_alone(batcher: Batcher) -> None:
    """Pieces of any length from many threads get the vectors that they get alone."""
    sounds = [noise(0.1 + 0.37 * (seed % 9), seed) for seed in range(45)] + [noise(25, 99)]
    alone = [put(batcher, sound).result().vector for sound in sounds]
    gate = Gate(batcher)
    with ThreadPoolExecutor(8) as pool:
        waiting = list(pool.map(lambda sound: put(batcher, sound), sounds))
    gate.open()
    for one, other in zip(alone, [piece.result().vector for piece in waiting], strict=True):
        assert one @ other > 0.99999
        assert np.linalg.norm(other) == pytest.approx(1, abs=1e-6)


def test_a_piece_that_fails(batcher: Batcher) -> None:
    """A piece that can't be read, or holds no numbers, costs its own caller alone."""

    def unreadable() -> Any:
        raise OSError("gone")

    gate = Gate(batcher)
    good, gone, bad = (
        put(batcher, noise(1)),
        batcher.submit(16000, unreadable, Work("key:a", 16000)),
        put(batcher, np.full(16000, np.nan, np.float32)),
    )
    last = put(batcher, noise(1))
    gate.open()
    assert good.result().vector @ last.result().vector == pytest.approx(1, abs=1e-5)
    with pytest.raises(OSError, match="gone"):
        gone.result()
    with pytest.raises(ArithmeticError, match="no numbers"):
        bad.result()


def test_a_cancelled_piece(batcher: Batcher) -> None:
    """Cancelled while it waits, a piece is never read."""
    gate = Gate(batcher)
    read: list[int] = []
    work = Work("key:a", 16000)
    waiting = batcher.submit(16000, lambda: read.append(1) or noise(1), work)  # type: ignore[func-returns-value]
    assert waiting.cancel()
    last = put(batcher, noise(1))
    gate.open()
    last.result()
    assert not read


class Order:
    """The order in which pieces are run."""

    def __init__(self, batcher: Batcher) -> None:
        """Takes the place where pieces wait."""
        self._batcher = batcher
        self._pieces: list[Future[Any]] = []
        self.names: list[str] = []

    def put(self, name: str, work: Work, pieces: int = 1) -> None:
        """Puts in pieces that are noted by a name."""
        sound = noise(3)

        def read() -> Any:
            self.names.append(name)
            return sound

        for _ in range(pieces):
            self._pieces.append(self._batcher.submit(len(sound), read, work))

    def end(self) -> None:
        """Waits until all have run."""
        for piece in self._pieces:
            piece.result()


def test_callers_take_turns(batcher: Batcher) -> None:
    """What one caller put in first, however much, does not keep another one waiting."""
    gate, order = Gate(batcher), Order(batcher)
    order.put("first", Work("key:first", 10**9), pieces=30)
    order.put("second", Work("key:second", 10**9), pieces=10)
    order.put("third", Work("key:third", 10**9))
    gate.open()
    order.end()
    assert "third" in order.names[:3]
    assert 9 <= order.names[:21].count("second") <= 10


def test_short_before_long(batcher: Batcher) -> None:
    """Of one caller's recordings the shortest comes first, and long ones still go on."""
    gate, order = Gate(batcher), Order(batcher)
    order.put("hours", Work("key:a", 10**8), pieces=10)
    for _ in range(12):
        order.put("short", Work("key:a", 48_000))
    gate.open()
    order.end()
    assert order.names[:3] == ["short"] * 3
    assert 2 <= order.names[:15].count("hours") <= 5


def test_work_that_nobody_waits_for(batcher: Batcher) -> None:
    """The gateway's own work leaves most turns to callers, and keeps a few."""
    gate, order = Gate(batcher), Order(batcher)
    order.put("own", Work(BACKGROUND, 10**9), pieces=20)
    order.put("asked", Work("key:a", 10**9), pieces=16)
    gate.open()
    order.end()
    assert 3 <= order.names[:20].count("own") <= 5


def test_the_end(model: Model) -> None:
    """When the service ends, what runs is finished and what waits is cancelled."""
    with Batcher(model) as batcher:
        gate = Gate(batcher)
        waiting = put(batcher, noise(1))
        threading.Timer(0.1, gate.open).start()
    assert gate.piece.result().vector.shape == (192,)
    with pytest.raises(CancelledError):
        waiting.result()
