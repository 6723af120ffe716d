"""Fits one at a time, also where who asked for one has left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from audiosearch.catalog.v1.calibration_pb2 import Calibration, PutCalibrationRequest
from audiosearch.catalog.v1.clip_pb2 import Clip, ListClipsResponse
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.calibrations_pb2 import CalibrateLibraryRequest

from gateway.speakers import calibrating
from gateway.speakers.calibrating import Calibrating
from scoring.fitting import fit
from serving.errors import Reason, ServiceError
from tests.voices import voices

REQUEST = CalibrateLibraryRequest(name="libraries/l", enrollment_clip_count=1)
SECONDS = 30


class Services:
    """A library of three speakers, and how often its vectors were read."""

    def __init__(self) -> None:
        """Answers at once, but while `opened` is cleared."""
        self.vectors, self.speakers = voices(3, 4, 0.3, seed=0)
        self.reads = 0
        self.stored: list[Calibration] = []
        self.opened = asyncio.Event()
        self.opened.set()

    async def open_for_voices(self, name: str) -> Library:
        """A library."""
        return Library(name=name, uid="uid", model="models/some")

    async def ListClips(self, _request: object) -> ListClipsResponse:
        """All clips on one page."""
        clips = [
            Clip(name=f"libraries/l/clips/c{row}", speaker=f"s{speaker}")
            for row, speaker in enumerate(self.speakers)
        ]
        return ListClipsResponse(clips=clips)

    async def wholes(self, _library: Library, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors of these clips."""
        self.reads += 1
        await self.opened.wait()
        return {each: self.vectors[int(each[1:])] for each in ids}

    async def PutCalibration(self, request: PutCalibrationRequest) -> Calibration:
        """Keeps it."""
        self.stored.append(request.calibration)
        return request.calibration


class Slow:
    """Fits when it is told to, and counts how many fits are at work."""

    def __init__(self) -> None:
        """Waits in the first fit."""
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.working = self.most = 0
        self._lock = threading.Lock()

    def fit(self, *arguments: object) -> Calibration:
        """As scoring.fitting does, later."""
        with self._lock:
            self.working += 1
            self.most = max(self.most, self.working)
        self.begun.set()
        try:
            assert self.go_on.wait(SECONDS)
            return fit(*arguments)
        finally:
            with self._lock:
                self.working -= 1


@pytest.fixture
def services() -> Services:
    """That answer at once."""
    return Services()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """In place of the fit, whose threads can be held."""
    found = Slow()
    monkeypatch.setattr(calibrating, "fit", found.fit)
    return found


@pytest.fixture
def subject(services: Services) -> Calibrating:
    """Works on these services."""
    upstream = SimpleNamespace(calibrations=services, speakers=services, clips=services)
    return Calibrating(upstream, services, services)


async def let_others_run() -> None:
    """So often that whoever need not wait for anything comes to its end."""
    for _ in range(50):
        await asyncio.sleep(0)


async def leave(task: asyncio.Task[Calibration]) -> None:
    """Gives a call up, which ends at once."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)


async def test_a_fit_that_nobody_waits_for_keeps_its_turn(
    subject: Calibrating, services: Services, slow: Slow
) -> None:
    """A thread can't be stopped: whoever comes next waits for it, and reads nothing before."""
    first = asyncio.create_task(subject.fit(REQUEST))
    assert await asyncio.to_thread(slow.begun.wait, SECONDS)
    await leave(first)
    assert slow.working == 1
    second, third = (asyncio.create_task(subject.fit(REQUEST)) for _ in range(2))
    await let_others_run()
    assert services.reads == 1
    await leave(third)
    slow.go_on.set()
    found = await asyncio.wait_for(second, SECONDS)
    assert found.speaker_count == 3
    assert services.stored == [found]
    assert slow.most == 1
    assert services.reads == 2
    await asyncio.wait_for(subject.fit(REQUEST), SECONDS)


async def test_who_leaves_while_vectors_are_read_gives_its_turn_away(
    subject: Calibrating, services: Services
) -> None:
    """There is no thread to wait for."""
    services.opened.clear()
    first = asyncio.create_task(subject.fit(REQUEST))
    await let_others_run()
    assert services.reads == 1
    await leave(first)
    services.opened.set()
    assert (await asyncio.wait_for(subject.fit(REQUEST), SECONDS)).speaker_count == 3


async def test_a_fit_that_fails_gives_its_turn_away(
    subject: Calibrating, services: Services
) -> None:
    """The next one is not kept waiting, and fails for its own reason."""
    services.speakers = np.zeros(12, np.int64)
    for _ in range(2):
        with pytest.raises(ServiceError) as raised:
            await asyncio.wait_for(subject.fit(REQUEST), SECONDS)
        assert raised.value.reason is Reason.SPEAKERS_TOO_FEW
