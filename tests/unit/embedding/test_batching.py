"""Pieces of audio that wait for the model together run together, and none harms another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding_service.checkpoints.archive import read_checkpoint
from embedding_service.checkpoints.checkpoint import Checkpoint, Source
from embedding_service.checkpoints.wanted import BUNDLED
from embedding_service.network.batching import Batcher, Work
from embedding_service.network.engine import Options
from embedding_service.network.families.panns.network import Shape
from embedding_service.network.model import Model
from embedding_service.network.precision import Precision
from serving.caller import BACKGROUND
from tools.servers.checkpoints import random_panns, write_panns


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The bundled model, in fp32, one run at a time."""
    return bundled(tmp_path_factory.mktemp("cache"), runs=1)


def bundled(cache: Path, runs: int) -> Model:
    """The bundled model in fp32, with two threads."""
    weights = read_checkpoint(BUNDLED["ecapatdnn_small-16k"])
    options = Options(precision=Precision.FP32, cache=cache, threads=2, runs=runs)
    return Model(Checkpoint("small", Source.BUNDLED, weights), options)


class OneModel(Batcher):
    """Takes pieces for one model."""

    def __init__(self, model: Model) -> None:
        """Takes the model."""
        super().__init__([model])
        self.model = model


@pytest.fixture
def batcher(model: Model) -> Iterator[OneModel]:
    """Takes pieces for it."""
    with OneModel(model) as made:
        yield made


def noise(seconds: float, seed: int = 0) -> Any:
    """Noise of a colour of its own."""
    random = np.random.default_rng(seed)
    white = 0.1 * random.standard_normal(round(16000 * seconds))
    return np.convolve(white, random.standard_normal(8), "same").astype(np.float32)


def put(batcher: OneModel, samples: Any) -> Future[Any]:
    """Puts in one piece."""
    return batcher.submit(len(samples), lambda: samples, Work("key:a", len(samples), batcher.model))


class Gate:
    """A piece that holds the model's thread until it is opened."""

    def __init__(self, batcher: OneModel) -> None:
        """Waits until the thread is held."""
        self._open = threading.Event()
        self._reached = threading.Event()
        self.piece = batcher.submit(
            16000 * 60, self._read, Work("key:gate", 16000 * 60, batcher.model)
        )
        self._reached.wait(30)

    def _read(self) -> Any:
        self._reached.set()
        self._open.wait(30)
        return noise(0.3)

    def open(self) -> None:
        """Lets the thread go on."""
        self._open.set()


def test_together_as_alone(batcher: OneModel) -> None:
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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The same model, of which two runs share the threads where much waits."""
    return bundled(tmp_path_factory.mktemp("cache"), runs=2)


def met(barrier: threading.Barrier, sound: Any) -> Callable[[], Any]:
    """A way to read a piece that ends only while another run reads one too."""

    def read() -> Any:
        barrier.wait(60)
        return sound

    return read


def test_where_much_waits_runs_share_the_cores(shared: Model, model: Model) -> None:
    """Two batches are run at the same time, and give the vectors of one with all cores."""
    sounds = [noise(3 + 0.37 * seed, seed) for seed in range(10)]
    with OneModel(model) as batcher:
        alone = [put(batcher, sound).result().vector for sound in sounds]
    assert (model.runs, shared.runs) == (1, 2)
    both = threading.Barrier(2)
    with OneModel(shared) as batcher:
        gate = Gate(batcher)
        longest = noise(40, 50), noise(40, 51)  # each is a batch of its own, and the first
        meeting = [
            batcher.submit(len(sound), met(both, sound), Work(f"key:{key}", 1, shared))
            for key, sound in enumerate(longest)
        ]
        waiting = [put(batcher, sound) for sound in sounds]
        gate.open()
        vectors = [piece.result().vector for piece in waiting]
        met_vectors = [piece.result().vector for piece in meeting]
        for one, other in zip(alone, vectors, strict=True):
            assert one @ other > 0.99999
        for sound, other in zip(longest, met_vectors, strict=True):
            assert put(batcher, sound).result().vector @ other > 0.99999


def test_what_is_alone_has_all_cores(shared: Model) -> None:
    """Nothing is run beside a batch that is all that waits; what comes later is run after it."""
    with OneModel(shared) as batcher:
        gate, order = Gate(batcher), Order(batcher)
        order.put("later", Work("key:b", 10**6, shared), pieces=8)
        batcher.submit(16000, lambda: noise(1), Work("key:c", 1, shared)).cancel()
        assert not order.names
        gate.open()
        order.end()
    assert order.names == ["later"] * 8


def test_the_end_of_runs_side_by_side(shared: Model) -> None:
    """What runs is finished and what waits is cancelled, also by threads that wait for cores."""
    with OneModel(shared) as batcher:
        gate = Gate(batcher)
        waiting = [put(batcher, noise(3)) for _ in range(12)]
        threading.Timer(0.1, gate.open).start()
    assert gate.piece.result().vector.shape == (192,)
    assert all(piece.cancelled() for piece in waiting)


def test_a_piece_that_fails(batcher: OneModel) -> None:
    """A piece that can't be read, or holds no numbers, costs its own caller alone."""

    def unreadable() -> Any:
        raise OSError("gone")

    gate = Gate(batcher)
    good, gone, bad = (
        put(batcher, noise(1)),
        batcher.submit(16000, unreadable, Work("key:a", 16000, batcher.model)),
        put(batcher, np.full(16000, np.nan, np.float32)),
    )
    last = put(batcher, noise(1))
    gate.open()
    assert good.result().vector @ last.result().vector == pytest.approx(1, abs=1e-5)
    with pytest.raises(OSError, match="gone"):
        gone.result()
    with pytest.raises(ArithmeticError, match="no numbers"):
        bad.result()


def test_a_cancelled_piece(batcher: OneModel) -> None:
    """Cancelled while it waits, a piece is never read."""
    gate = Gate(batcher)
    read: list[int] = []
    work = Work("key:a", 16000, batcher.model)
    waiting = batcher.submit(16000, lambda: read.append(1) or noise(1), work)  # type: ignore[func-returns-value]
    assert waiting.cancel()
    last = put(batcher, noise(1))
    gate.open()
    last.result()
    assert not read


class Order:
    """The order in which pieces are run."""

    def __init__(self, batcher: OneModel) -> None:
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


def test_callers_take_turns(batcher: OneModel) -> None:
    """What one caller put in first, however much, does not keep another one waiting."""
    gate, order = Gate(batcher), Order(batcher)
    order.put("first", Work("key:first", 10**9, batcher.model), pieces=30)
    order.put("second", Work("key:second", 10**9, batcher.model), pieces=10)
    order.put("third", Work("key:third", 10**9, batcher.model))
    gate.open()
    order.end()
    assert "third" in order.names[:3]
    assert 9 <= order.names[:21].count("second") <= 10


def test_short_before_long(batcher: OneModel) -> None:
    """Of one caller's recordings the shortest comes first, and long ones still go on."""
    gate, order = Gate(batcher), Order(batcher)
    order.put("hours", Work("key:a", 10**8, batcher.model), pieces=10)
    for _ in range(12):
        order.put("short", Work("key:a", 48_000, batcher.model))
    gate.open()
    order.end()
    assert order.names[:3] == ["short"] * 3
    assert 2 <= order.names[:15].count("hours") <= 5


def test_work_that_nobody_waits_for(batcher: OneModel) -> None:
    """The gateway's own work leaves most turns to callers, and keeps a few."""
    gate, order = Gate(batcher), Order(batcher)
    order.put("own", Work(BACKGROUND, 10**9, batcher.model), pieces=20)
    order.put("asked", Work("key:a", 10**9, batcher.model), pieces=16)
    gate.open()
    order.end()
    assert 3 <= order.names[:20].count("own") <= 5


def test_the_end(model: Model) -> None:
    """When the service ends, what runs is finished and what waits is cancelled."""
    with OneModel(model) as batcher:
        gate = Gate(batcher)
        waiting = put(batcher, noise(1))
        threading.Timer(0.1, gate.open).start()
    assert gate.piece.result().vector.shape == (192,)
    with pytest.raises(CancelledError):
        waiting.result()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model for sounds, in fp32."""
    shape = Shape("CNN6", width=1 / 16, tags=2)
    folder = write_panns(
        tmp_path_factory.mktemp("panns") / "p", random_panns(shape), shape, ["a", "b"]
    )
    checkpoint = Checkpoint("other", Source.SETTING, read_checkpoint(folder))
    return Model(checkpoint, Options(precision=Precision.FP32))


def test_two_models(model: Model, other: Model) -> None:
    """Pieces of two models that wait at the same time run in turn, each by its own model."""
    sounds = [noise(0.3 + 0.2 * (seed % 5), seed) for seed in range(24)]
    order: list[str] = []

    def submit(batcher: Batcher, number: int) -> Future[Any]:
        sound, mine = sounds[number], (model, other)[number % 2]

        def read() -> Any:
            order.append(mine.info.display_name)
            return sound

        return batcher.submit(len(sound), read, Work(f"key:{number % 2}", len(sound), mine))

    with Batcher([model, other]) as batcher:
        alone = [submit(batcher, number).result().vector for number in range(24)]
        order.clear()
        hold = threading.Event()
        batcher.submit(100, lambda: hold.wait(30) and noise(1), Work("key:a", 100, model))
        numbers = [*range(0, 24, 2)] * 5 + [*range(1, 24, 2)]
        waiting = [submit(batcher, number) for number in numbers]
        hold.set()
        together = [piece.result().vector for piece in waiting]
    for number, vector in zip(numbers, together, strict=True):
        assert alone[number].shape == vector.shape == ((192,), (32,))[number % 2]
        assert alone[number] @ vector > 0.99999
    assert order.count("other") == 12
    assert "small" in order[60:]  # those of the other caller did not wait for all of them
