"""Embeds the shards of a plan on Ray Data. Each worker holds an encoder and writes its shards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiosearch_bulk import encoding
from audiosearch_bulk.cluster import connected
from audiosearch_bulk.encoding import Encoder
from audiosearch_bulk.files import (
    FILE_COLUMNS,
    File,
    Reading,
    Vectors,
    files_of,
    vector_table,
)
from audiosearch_bulk.folder import Folder, Plan, in_order, open_table, read_batches, write_table
from audiosearch_bulk.objects import OF_NO_OBJECT
from embedding_service.settings import EmbeddingSettings
from serving.errors import Reason, ServiceError
from serving.retry import Retry
from serving.telemetry import configure

AT_ONCE = 16
"""Files that a worker decodes and embeds at a time."""
TRIES = 10
"""Times that a shard is begun at most, because workers died at it."""
SHOWN = 20
"""Failures that are told by name."""
_OF_NO_FILE = {Reason.STORAGE_FULL, Reason.ENCODER_BUSY, *OF_NO_OBJECT}
"""Reasons that say nothing of the file."""
_PLAN_AGAIN = "make the plan again in another folder"
_EMBED_AGAIN = "delete it, and `audiosearch bulk embed` makes it again"


@dataclass(frozen=True)
class Job:
    """All that a worker is told. Paths are the same on all machines."""

    folder: Path
    plan: Plan
    model: str
    settings: dict[str, Any]


@dataclass
class Embedded:
    """The counts of a run."""

    model: str
    total: int
    done: int = 0
    """Files that have vectors."""
    failed: int = 0
    before: int = 0
    """Files of shards that were there before, failed ones among them."""
    failures: list[File] = field(default_factory=list)
    """The first failures."""


class Worker:
    """An encoder in a process of Ray, for one shard after the other."""

    def __init__(self, job: Job) -> None:
        """Loads the encoder. A failure is told at the first shard."""
        configure("bulk", "warning")
        self._job = job
        self._loop = asyncio.new_event_loop()
        self._unfit: ServiceError | None = None
        try:
            self._encoder = self._loop.run_until_complete(self._load())
        except ServiceError as error:
            self._unfit = error

    async def _load(self) -> Encoder:
        """The encoder; MODEL_MISMATCH if this machine has another model under the same name."""
        encoder = Encoder(EmbeddingSettings(**self._job.settings))
        if encoder.model.name != self._job.model:
            raise ServiceError(
                Reason.MODEL_MISMATCH,
                f"this machine has {encoder.model.name}, and the run is of {self._job.model}: give "
                "all machines the same checkpoint",
            )
        return encoder

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Embeds shards by number, unless they are there.

        A failure is told in the row of its shard, because Ray loses the type of what is raised.
        """
        told = [self._told(int(number)) for number in batch["shard"]]
        return {**batch, "reason": [each[0] for each in told], "message": [e[1] for e in told]}

    def _told(self, number: int) -> tuple[str, str]:
        """Reason and message of the failure of a shard, or of this worker; empty if it is done."""
        try:
            if self._unfit:
                raise self._unfit
            self._loop.run_until_complete(self._embed(number))
        except ServiceError as error:
            return error.reason.value, error.message
        return "", ""

    async def _embed(self, number: int) -> None:
        job, folder = self._job, Folder(self._job.folder)
        target = folder.vectors(job.model, number)
        if target.exists():  # written by a worker that died before it could say so
            return
        tries = _tries(target)
        _begin(tries)
        batches = read_batches(folder.shard(number), AT_ONCE, _PLAN_AGAIN)
        files = [file for batch in batches for file in files_of(batch)]
        places = asyncio.Semaphore(AT_ONCE)

        async def one(file: File) -> tuple[File, Vectors | None]:
            if file.reason:
                return file, None
            async with places:
                return await self._one(file)

        tasks = [asyncio.create_task(one(file)) for file in files]
        try:
            rows = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        rule = self._encoder.model.window_rule
        write_table(target, vector_table(rows, job.plan.id, job.model, rule))
        tries.unlink(missing_ok=True)

    async def _one(self, file: File) -> tuple[File, Vectors | None]:
        job, retry = self._job, Retry()
        reading = Reading(Folder(job.folder).root_of(job.plan), file)
        while True:
            try:
                answers = await self._encoder.embed(reading, job.plan.channel)
            except ServiceError as error:
                if error.reason is Reason.OBJECT_STORE_UNAVAILABLE:
                    await asyncio.sleep(retry.pause(error))
                    continue
                if error.reason in _OF_NO_FILE:
                    raise
                return file.failed(error), None
            except ArithmeticError as error:
                why = f"the encoder can't embed it: {error}"
                return file.failed(ServiceError(Reason.INTERNAL, why)), None
            return file, Vectors.of(reading.sha256, answers)


def _tries(vectors: Path) -> Path:
    return vectors.with_name(f".{vectors.name}.tries")


def _begin(tries: Path) -> None:
    """Counts how often a shard was begun: Ray gives it to the next worker without an end."""
    tries.parent.mkdir(parents=True, exist_ok=True)
    with tries.open("ab") as file:
        if file.tell() >= TRIES:
            raise ServiceError(
                Reason.INTERNAL,
                f"workers died {TRIES} times at shard {tries.name.split('.')[1]}, perhaps for lack "
                "of memory: give each more of it, or make a plan of smaller shards",
            )
        file.write(b".")


def settings_of(model: str) -> EmbeddingSettings:
    """The settings of the environment, for one model as AUDIOSEARCH_MODELS names it."""
    given: dict[str, Any] = {"models": model}
    return EmbeddingSettings(**given)


def embed(
    folder: Folder,
    settings: EmbeddingSettings,
    show: Callable[[int, int], None],
    *,
    address: str = "",
    workers: int = 0,
    cpus: int = 0,
    again: bool = False,
) -> Embedded:
    """Embeds the shards of a plan that have no vectors by a model yet.

    Args:
        folder: with the plan; seen by all machines under the same path, as the audio is.
        settings: of the embedding service, with one model.
        show: called with the number of files done, and of all.
        address: of a cluster of Ray; empty for this machine alone.
        workers: number of workers; 0 for as many as there are processors for.
        cpus: processors of a worker; 0 for all of this machine, or of the smallest of a cluster.
        again: True to embed the shards again of which files have failed.

    Raises:
        ServiceError: of a shard or of the encoder; INTERNAL if a worker dies again and again.
    """
    plan, model = folder.plan(), encoding.find(settings)
    outcome = Embedded(model, plan.file_count)
    for number in range(plan.shard_count):
        if _there(folder, plan, model, number, outcome, again=again):
            outcome.before = outcome.done + outcome.failed
            show(outcome.before, plan.file_count)
    todo = in_order(plan.shard_count, lambda number: folder.vectors(model, number).exists())
    if not todo:
        return outcome
    for number in todo:
        _tries(folder.vectors(model, number)).unlink(missing_ok=True)
    told = settings.model_dump(exclude_unset=True) | {"models": settings.models}
    job = Job(folder.path, plan, model, told)
    with connected(address) as ray, contextlib.closing(_run(ray, job, todo, workers, cpus)) as done:
        for number in done:
            _count(folder, model, number, outcome)
            show(outcome.done + outcome.failed, plan.file_count)
    return outcome


def _there(
    folder: Folder, plan: Plan, model: str, number: int, outcome: Embedded, *, again: bool
) -> bool:
    """True if the vectors of a shard are there, and fit. Those that can't be used are removed."""
    path = folder.vectors(model, number)
    if not path.exists():
        return False
    try:
        with open_table(path, _EMBED_AGAIN) as table:
            fits = (table.schema_arrow.metadata or {}).get(b"plan") == plan.id.encode()
            counts = _counts(folder, model, number) if fits else None
    except ServiceError as error:
        if error.reason is not Reason.SHARD_DAMAGED:
            raise
        counts = None
    if counts is None or (again and counts[1]):
        path.unlink()
        return False
    _add(outcome, *counts)
    return True


def _counts(folder: Folder, model: str, number: int) -> tuple[int, list[File]]:
    """Number of files with vectors in a shard, and the files that failed."""
    path = folder.vectors(model, number)
    batches = read_batches(path, 1000, _EMBED_AGAIN, FILE_COLUMNS)
    files = [file for batch in batches for file in files_of(batch)]
    failed = [file for file in files if file.reason]
    return len(files) - len(failed), failed


def _count(folder: Folder, model: str, number: int, outcome: Embedded) -> None:
    _add(outcome, *_counts(folder, model, number))


def _add(outcome: Embedded, done: int, failed: list[File]) -> None:
    outcome.done += done
    outcome.failed += len(failed)
    outcome.failures += failed[: SHOWN - len(outcome.failures)]


def _run(
    ray: Any, job: Job, todo: list[int], workers: int, cpus: int
) -> Generator[int, None, None]:
    """The numbers of shards as they get done."""
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    cpus = cpus or max(int(min((count for count in nodes if count), default=1)), 1)
    most = max(sum(int(count // cpus) for count in nodes), 1)
    size = min(workers or most, len(todo))
    settings = {"encoder_threads": cpus, **job.settings}
    shards = ray.data.from_items(
        [{"shard": number} for number in todo], override_num_blocks=len(todo)
    )
    done = shards.map_batches(
        Worker,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=size),
        fn_constructor_args=[Job(job.folder, job.plan, job.model, settings)],
        num_cpus=cpus,
    )
    try:
        for row in done.iter_rows():
            if row["reason"]:
                raise ServiceError(Reason.named(row["reason"]) or Reason.INTERNAL, row["message"])
            yield int(row["shard"])
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ServiceError(
            Reason.INTERNAL,
            f"a worker ended: {last[0]}; what is done stays, call the command again",
        ) from error


def failures_of(folder: Folder, model: str) -> Iterator[File]:
    """All files that failed, in the order of the plan."""
    for number in range(folder.plan().shard_count):
        yield from _counts(folder, model, number)[1]
