"""Threads with a bounded queue: places, order, deadlines, callers that leave."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from serving.errors import Reason, ServiceError
from serving.telemetry import deadline, remaining
from serving.threads import Patience, Threads

PATIENCE = 30


def error(reason: Reason) -> Callable[[], ServiceError]:
    """Makes an error of that reason."""
    return lambda: ServiceError(reason, "no")


BUSY, LATE = error(Reason.CATALOG_BUSY), error(Reason.INDEX_UNAVAILABLE)


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """A job that waits until the block is over."""
    go_on = threading.Event()

    def wait() -> None:
        assert go_on.wait(PATIENCE)

    try:
        yield wait
    finally:
        go_on.set()


async def refused(job: asyncio.Task[None]) -> Reason:
    """Why a job failed."""
    with pytest.raises(ServiceError) as caught:
        await job
    return caught.value.reason


async def settle() -> None:
    """Lets tasks begin."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_few_run_few_wait_and_the_rest_is_refused() -> None:
    """Two threads, three places to wait: of nine, four are told at once, and five are done."""
    threads = Threads("t", 2, 3, BUSY)
    with held() as job:
        tasks = [asyncio.create_task(threads.run(job)) for _ in range(9)]
        for task in tasks[5:]:
            assert await asyncio.wait_for(refused(task), PATIENCE) is Reason.CATALOG_BUSY
        assert not any(task.done() for task in tasks[:5])
    await asyncio.gather(*tasks[:5])
    assert await threads.run(lambda: 7) == 7
    await threads.close()


async def test_jobs_run_in_the_order_in_which_they_came() -> None:
    """One thread: first come, first served."""
    threads, done = Threads("t", 1, 10, BUSY), list[int]()
    await asyncio.gather(*(threads.run(done.append, number) for number in range(10)))
    assert done == list(range(10))
    await threads.close()


async def test_a_caller_that_leaves_while_waiting_takes_its_job_along() -> None:
    """A waiting job is dropped with its caller, and its place to wait is free at once."""
    threads, done = Threads("t", 1, 1, BUSY), list[int]()
    with held() as job:
        running = asyncio.create_task(threads.run(job))
        left = asyncio.create_task(threads.run(done.append, 1))
        await settle()
        left.cancel()
        await asyncio.wait([left])
        stays = asyncio.create_task(threads.run(done.append, 2))
        await settle()
    await asyncio.gather(running, stays)
    assert done == [2]
    await threads.close()


async def test_a_job_that_was_left_keeps_its_thread_to_its_end() -> None:
    """Its caller is gone at once; nobody else has the place until the thread is free."""
    threads, ended = Threads("t", 1, 0, BUSY), threading.Event()
    with held() as job:
        left = asyncio.create_task(threads.run(lambda: (job(), ended.set())))
        await settle()
        left.cancel()
        await asyncio.wait([left])
        assert await refused(asyncio.create_task(threads.run(job))) is Reason.CATALOG_BUSY
    assert await asyncio.to_thread(ended.wait, PATIENCE)
    while True:  # the place comes back by way of the event loop
        try:
            assert await threads.run(lambda: 7) == 7
            break
        except ServiceError:
            await asyncio.sleep(0.01)
    await threads.close()


async def test_a_failure_is_the_callers_and_frees_the_thread() -> None:
    """An error of a job comes out of `run`."""
    threads = Threads("t", 1, 0, BUSY)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
        await asyncio.sleep(0)
    await threads.close()


async def test_callers_wait_no_longer_than_the_limit() -> None:
    """A job that does not heed its deadline keeps its thread, but not its caller."""
    threads = Threads("t", 1, 1, BUSY, Patience(0.1, LATE))
    with held() as job:
        running, waiting = (asyncio.create_task(threads.run(job)) for _ in range(2))
        assert await refused(running) is Reason.INDEX_UNAVAILABLE
        assert await refused(waiting) is Reason.INDEX_UNAVAILABLE
    await threads.close()


async def test_all_waiting_ends_when_there_is_no_hope() -> None:
    """Callers are told as soon as the store is known to be gone, long before their limit."""
    gone: list[ServiceError] = []
    patience = Patience(600, LATE, lambda: gone[0] if gone else None)
    threads = Threads("t", 1, 1, BUSY, patience)
    with held() as job:
        tasks = [asyncio.create_task(threads.run(job)) for _ in range(2)]
        await settle()
        gone.append(ServiceError(Reason.INDEX_UNAVAILABLE, "gone"))
        for task in tasks:
            assert await asyncio.wait_for(refused(task), PATIENCE) is Reason.INDEX_UNAVAILABLE
    await threads.close()


async def test_a_job_sees_the_earlier_of_the_calls_deadline_and_the_limit() -> None:
    """The time left of a job is never more than either."""
    loose = Threads("t", 1, 0, BUSY, Patience(600, LATE))
    tight = Threads("t", 1, 0, BUSY, Patience(5, LATE))
    assert 5 < (await loose.run(remaining) or 0) <= 600
    deadline.set(time.monotonic() + 60)
    assert 5 < (await loose.run(remaining) or 0) <= 60
    assert (await tight.run(remaining) or 0) <= 5
    await loose.close()
    await tight.close()
