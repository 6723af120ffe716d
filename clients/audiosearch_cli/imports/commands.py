"""`audiosearch import`: a folder of the server, or files of this machine by upload."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated

import typer
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.layouts import LAYOUTS
from audiosearch_client.corpora.sources import folder_source
from audiosearch_client.corpora.survey import Survey, count, survey
from audiosearch_client.uploading import Fail, Uploader
from google.longrunning import operations_pb2
from google.protobuf.json_format import MessageToJson

from audiosearch_cli.channels import Channel
from audiosearch_cli.imports import dry_run, report
from audiosearch_cli.imports.sources import (
    Where,
    local_source,
    place_source,
    require_sense,
)
from audiosearch_cli.imports.waiting import Destination, Telling, first
from audiosearch_cli.imports.watching import new_job, watch_source
from audiosearch_cli.libraries.models import For
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    connect,
)
from audiosearch_cli.problems import Stopped, end
from audiosearch_cli.progress import Shown
from serving.errors import Reason, ServiceError

_LOOPBACK = ("localhost:", "127.0.0.1:", "[::1]:")


def import_path(
    library: LibraryName,
    path: Annotated[
        Path | None, typer.Argument(help="A folder, or one file; left out with --manifest.")
    ] = None,
    reference: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="Copy no audio: clips refer to it where it is. A place that the server's operator "
            "allows: s3://BUCKET/PREFIX, gs:// or az://, or a folder that the server reads by the "
            "same path.",
        ),
    ] = "",
    label: Annotated[str, typer.Option(help="Label for every clip without another label.")] = "",
    layout: Annotated[
        str,
        typer.Option(
            help="Corpus that the folder holds, for speaker, label and more from the names of its "
            f"files: {', '.join(LAYOUTS)}."
        ),
    ] = "",
    manifest: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A .csv or .jsonl with the files and their metadata: path, label, "
            "speaker, display_name, metadata.NAME. Paths start from its folder; with --reference "
            "from that place, and they may be URLs.",
        ),
    ] = None,
    dry: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only count what would be imported; asks no gateway, but for --reference.",
        ),
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="File to write each failed upload to, as JSON lines."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Go on with the files that come into the folder, or the place."
        ),
    ] = False,
    channel: Channel = 0,
    purpose: For = None,
    where: Annotated[
        Where,
        typer.Option(
            "--from",
            help="Machine of the path. auto: the server reads the folder itself if it is this "
            "machine and its operator allows that; otherwise files are uploaded, as always with "
            "--layout and --manifest.",
        ),
    ] = Where.auto,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Import every audio file below a folder. A missing library is created, by --for."""
    require_sense(path, reference, layout, manifest, where, watch=watch)
    source = None
    if not reference:
        source = local_source(path, layout, manifest, label, where, upload=dry or watch)

    def listed(client: AudiosearchClient) -> Source:
        return place_source(client, library, reference, layout, manifest, label)

    if dry:
        found = survey(source) if source else _survey(listed, target, ca)
        return dry_run.show(found, library, as_json=json)
    job = new_job(library, source, count(source)) if source and not watch else None
    start = time.monotonic()
    with (
        connect(target, ca) as client,
        Destination(client, library, purpose) as destination,
        _sink(failures) as fail,
    ):
        if reference:
            source = listed(client)
        if source and watch:
            return watch_source(client, library, source, channel, fail, as_json=json)
        operation, uploader = None, None
        if source is None:
            assert path is not None  # noqa: S101  else there is a source
            folder, source = path, folder_source(path, label)
            operation = first(
                lambda: _start(client, library, folder, label, channel, where, target)
            )
        with Shown(quiet=json) as shown:
            if operation:
                destination.busy = True
                job = _follow(client, operation, shown)
                destination.busy = False
            else:
                job = job or new_job(library, source, count(source))
                uploader = Uploader(client, library, source, channel)
                _upload(uploader, job, shown, fail)
        if json:
            report.print_json(job, uploader)
        else:
            seconds = time.monotonic() - start
            report.summarise(job, uploader, library, seconds, whole=failures)
        if job.progress.failed and not job.progress.imported + job.progress.existing:
            raise report.nothing_imported(job)
    return end(job.progress.imported + job.progress.existing, job.progress.failed)


def _survey(listed: Callable[[AudiosearchClient], Source], target: str, ca: Path | None) -> Survey:
    """Counts what the server lists."""
    with connect(target, ca) as client:
        return first(lambda: survey(listed(client)))


def _upload(uploader: Uploader, job: ImportJob, shown: Shown, fail: Fail) -> None:
    """Uploads everything. An error, and Ctrl-C, say how far it got."""
    try:
        uploader.work(job, shown.update, fail)
    except ServiceError as error:
        told = f"{error.message} (stopped after {_done(job)}; the same command goes on from there)"
        raise ServiceError(error.reason, told, error.metadata) from error
    except KeyboardInterrupt:
        raise Stopped(f"after {_done(job)}; the same command goes on from there") from None


def _done(job: ImportJob) -> str:
    state = job.progress
    done = state.imported + state.existing + state.failed
    return f"{done:,} of {state.total:,} files"


@contextlib.contextmanager
def _sink(path: Path | None) -> Iterator[Fail]:
    """A function that writes failures as JSON lines to the file, if there is one."""
    if path is None:
        yield lambda _: None
        return
    with path.open("w", encoding="utf-8") as file:
        yield lambda failure: _write(file, failure)


def _write(file: IO[str], failure: FileFailure) -> None:
    file.write(MessageToJson(failure, indent=None, ensure_ascii=False) + "\n")
    file.flush()


def _start(
    client: AudiosearchClient,
    library: str,
    path: Path,
    label: str,
    channel: int,
    where: Where,
    target: str,
) -> operations_pb2.Operation | None:
    """Asks the server to read the folder itself; None if the files have to be uploaded."""
    local = where is Where.auto and target.startswith(_LOOPBACK) and path.is_dir()
    if not local and where is not Where.server:
        return None
    try:
        folder = str(path.resolve()) if local else str(path)
        return client.import_folder(library, folder, label, channel)
    except ServiceError as error:
        if where is Where.server or error.reason not in (
            Reason.PATH_NOT_ALLOWED,
            Reason.PATH_NOT_FOUND,
        ):
            raise
        return None


def _follow(
    client: AudiosearchClient, operation: operations_pb2.Operation, shown: Shown
) -> ImportJob:
    """Shows a running import until its end. Ctrl-C leaves it running on the server."""
    job = ImportJob()
    try:
        told = Telling(lambda: f"; {_done(job)} are done so far" if job.progress.total else "")
        for now in client.watch_import(operation.name, told):
            job.CopyFrom(now)
            shown.update(job)
    except KeyboardInterrupt:
        raise Stopped(
            f"after {_done(job)}; the import goes on at the server: `audiosearch operation show "
            f"{operation.name}` tells how far it is, `audiosearch operation cancel` ends it"
        ) from None
    if job.state == ImportJob.STATE_FAILED:
        reason = Reason.named(job.failure.reason) or Reason.INTERNAL
        raise ServiceError(reason, job.failure.message)
    return job
