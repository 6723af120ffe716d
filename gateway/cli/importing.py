"""`audiosearch import`: a folder of the server, or files of this machine by upload."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1 import catalog_service_pb2 as catalog_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, Failure
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob
from google.longrunning import operations_pb2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    connect,
    print_json,
    say,
)
from gateway.client import AudiosearchClient
from gateway.folder import Found, count, walk
from serving.errors import Reason, ServiceError

UPLOADS = 4
MAX_FAILURES = 20
POLL_SECONDS = 0.2
_LOOPBACK = ("localhost:", "127.0.0.1:", "[::1]:")


class Where(str, Enum):
    """On which machine the path is."""

    auto = "auto"
    server = "server"
    client = "client"


def import_path(
    path: Annotated[Path, typer.Argument(help="A folder, or one file.")],
    library: LibraryName,
    label: Annotated[str, typer.Option(help="Label for every clip.")] = "",
    where: Annotated[
        Where,
        typer.Option(
            "--from",
            help="Machine of the path. auto: the server reads the folder itself if it is this "
            "machine and its operator allows that; otherwise files are uploaded.",
        ),
    ] = Where.auto,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Import every audio file below a folder; the library is made if it is missing."""
    if where is not Where.server and not path.exists():
        raise typer.BadParameter(f"{path} is not there", param_hint="PATH")
    progress = Progress(
        TextColumn("importing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=json,
    )
    with connect(target, ca) as client:
        _ensure(client, library)
        operation = _start(client, library, path, label, where, target)
        with progress:
            if operation:
                job = _follow(client, operation, progress)
            else:
                job = _upload_all(client, library, path, label, progress)
    if json:
        print_json(job)
    else:
        _summarise(job, library)
    if job.progress.failed and not job.progress.imported + job.progress.existing:
        raise ServiceError(Reason.AUDIO_UNDECODABLE, "no file could be imported")


def _ensure(client: AudiosearchClient, library: str) -> None:
    try:
        client.call(
            client.stub.GetLibrary,
            catalog_pb2.GetLibraryRequest(
                name=f"libraries/{library}", view=catalog_pb2.LIBRARY_VIEW_BASIC
            ),
        )
    except ServiceError as error:
        if error.reason is not Reason.LIBRARY_NOT_FOUND:
            raise
        client.call(client.stub.CreateLibrary, catalog_pb2.CreateLibraryRequest(library_id=library))


def _start(
    client: AudiosearchClient, library: str, path: Path, label: str, where: Where, target: str
) -> operations_pb2.Operation | None:
    """Asks the server to read the folder itself; None if the files have to be uploaded."""
    local = where is Where.auto and target.startswith(_LOOPBACK) and path.is_dir()
    if not local and where is not Where.server:
        return None
    try:
        return client.import_folder(library, str(path.resolve()) if local else str(path), label)
    except ServiceError as error:
        if where is Where.server or error.reason not in (
            Reason.PATH_NOT_ALLOWED,
            Reason.PATH_NOT_FOUND,
        ):
            raise
        return None


def _follow(
    client: AudiosearchClient, operation: operations_pb2.Operation, progress: Progress
) -> ImportJob:
    """Shows a running import to its end; Ctrl-C leaves it running on the server."""
    task = progress.add_task("", total=None, rate="")
    start = time.monotonic()
    try:
        while True:
            job, done = client.import_job(operation.name)
            state = job.progress
            finished = state.imported + state.existing + state.failed
            progress.update(
                task, total=state.total or None, completed=finished, rate=_rate(finished, start)
            )
            if done:
                break
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise ServiceError(
            Reason.STATE_CONFLICT, f"stopped watching; {operation.name} goes on at the server"
        ) from None
    if job.state == ImportJob.STATE_FAILED:
        reason = Reason.named(job.failure.reason) or Reason.INTERNAL
        raise ServiceError(reason, job.failure.message)
    return job


def _upload_all(
    client: AudiosearchClient, library: str, path: Path, label: str, progress: Progress
) -> ImportJob:
    """Uploads files of this machine, a few at a time and never more than that held in memory."""
    job = ImportJob(library=f"libraries/{library}", folder=str(path), label=label)
    root, found = (
        (path.resolve(), walk(path.resolve()))
        if path.is_dir()
        else (path.parent, iter([Found(path.name)]))
    )
    job.progress.total = count(root) if path.is_dir() else 1
    task = progress.add_task("", total=job.progress.total, rate="")
    start = time.monotonic()

    def upload(entry: Found) -> bool:
        if entry.failure:
            raise entry.failure
        return client.upload(library, root / entry.path, Clip(label=label)).created

    with ThreadPoolExecutor(UPLOADS) as pool:
        running: dict[Future[bool], Found] = {}
        for entry in itertools.chain(found, _ends()):
            if entry:
                running[pool.submit(upload, entry)] = entry
            while len(running) >= (2 * UPLOADS if entry else 1):
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    _count(job, running.pop(future), future)
                    finished = job.progress.imported + job.progress.existing + job.progress.failed
                    progress.update(task, completed=finished, rate=_rate(finished, start))
    job.state = ImportJob.STATE_SUCCEEDED
    return job


def _ends() -> Iterator[None]:
    yield None


def _count(job: ImportJob, entry: Found, future: Future[bool]) -> None:
    try:
        if future.result():
            job.progress.imported += 1
        else:
            job.progress.existing += 1
    except (ServiceError, OSError) as error:
        if isinstance(error, ServiceError) and error.reason is Reason.GATEWAY_UNAVAILABLE:
            raise
        reason = error.reason if isinstance(error, ServiceError) else Reason.PATH_NOT_FOUND
        job.progress.failed += 1
        if len(job.failures) < MAX_FAILURES:
            job.failures.append(
                FileFailure(
                    path=entry.path, failure=Failure(reason=reason.value, message=str(error))
                )
            )


def _rate(finished: int, start: float) -> str:
    return f"{finished / max(time.monotonic() - start, 0.001):.1f} clips/s"


def _summarise(job: ImportJob, library: str) -> None:
    state = job.progress
    say(
        f"{state.imported} imported into {library}, {state.existing} there already, "
        f"{state.failed} failed"
    )
    for failure in job.failures:
        say(f"  {failure.path}: {failure.failure.reason}: {failure.failure.message}")
    if state.failed > len(job.failures):
        say(
            f"  and {state.failed - len(job.failures)} more: "
            f"audiosearch clip list --library {library} --state failed"
        )
    if job.state == ImportJob.STATE_CANCELLED:
        raise ServiceError(Reason.STATE_CONFLICT, "the import was cancelled")
