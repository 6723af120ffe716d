"""`audiosearch import`: a folder of the server, or files of this machine by upload."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import IO, Annotated

import typer
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob, ImportProgress
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.layouts import LAYOUTS
from audiosearch_client.corpora.sources import corpus_source, folder_source, manifest_source
from audiosearch_client.corpora.survey import count, require_audio, survey
from audiosearch_client.references import reference_source
from audiosearch_client.uploading import Fail, Uploader
from google.longrunning import operations_pb2
from google.protobuf.json_format import MessageToJson

from audiosearch_cli.channels import Channel
from audiosearch_cli.imports import dry_run, report
from audiosearch_cli.imports.waiting import Destination, Telling, first
from audiosearch_cli.imports.watching import Watch
from audiosearch_cli.libraries.models import For
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    complain,
    connect,
)
from audiosearch_cli.problems import Stopped, end
from audiosearch_cli.progress import Shown
from serving.errors import Reason, ServiceError

_LOOPBACK = ("localhost:", "127.0.0.1:", "[::1]:")


class Where(str, Enum):
    """The machine that the path is on."""

    auto = "auto"
    server = "server"
    client = "client"


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
            "speaker, display_name, metadata.NAME. Paths start from its folder.",
        ),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be imported; asks no gateway.")
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="File to write each failed upload to, as JSON lines."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on with the files that come into the folder, by upload."),
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
    if watch and (manifest or where is Where.server):
        raise typer.BadParameter(
            "it takes a folder of this machine, without --manifest", param_hint="--watch"
        )
    local = dry or watch
    _require_alone(reference, path or manifest, where, local=local)
    source = _source(path, layout, manifest, label, where, reference, upload=local)
    if source and dry:
        return dry_run.show(survey(source), library, as_json=json)
    job = _new_job(library, source) if source and not watch else None
    start = time.monotonic()
    with (
        connect(target, ca) as client,
        Destination(client, library, purpose) as destination,
        _sink(failures) as fail,
    ):
        if source and watch:
            return _watch(client, library, source, channel, fail, as_json=json)
        operation, uploader = None, None
        if path is not None and source is None:
            folder = path
            operation = first(
                lambda: _start(client, library, folder, label, channel, where, target)
            )
        source = source or _late_source(client, library, path, reference, layout, label)
        with Shown(quiet=json) as shown:
            if operation:
                destination.busy = True
                job = _follow(client, operation, shown)
                destination.busy = False
            else:
                job = job or _new_job(library, source)
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


def _watch(
    client: AudiosearchClient,
    library: str,
    source: Source,
    channel: int,
    fail: Fail,
    *,
    as_json: bool,
) -> None:
    """Imports the files that are or come into a folder, until Ctrl-C.

    Raises:
        Stopped: after Ctrl-C.
        ServiceError: a failure that would meet every file. While a service is away, the command
            waits, and tries the same files again.
    """
    sys.stderr.write(f"watching {source.root}; Ctrl-C stops it\n")
    sys.stderr.flush()
    imported = 0
    try:
        for fresh in Watch(source).rounds():
            start = time.monotonic()
            job = _new_job(library, fresh)
            uploader = Uploader(client, library, fresh, channel)
            while True:
                try:
                    uploader.work(job, lambda _: None, fail)
                    break
                except ServiceError as error:
                    if not error.reason.temporary:
                        raise
                    complain(f"{error.reason.value}: {error.message}", "waiting")
                    job.progress.CopyFrom(ImportProgress(total=job.progress.total))
                    uploader = Uploader(client, library, fresh, channel)
            imported += job.progress.imported
            if as_json:
                report.print_json(job, uploader, indent=None)
            else:
                seconds = time.monotonic() - start
                report.summarise(job, uploader, library, seconds, whole=None)
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise Stopped(
            f"{imported:,} imported; the same command goes on watching {source.root}"
        ) from None


def _source(
    path: Path | None,
    layout: str,
    manifest: Path | None,
    label: str,
    where: Where,
    reference: str,
    *,
    upload: bool,
) -> Source | None:
    """The source of the upload; None if the server lists it, or may be able to read it itself."""
    if reference:
        return None
    require_one(path, layout, manifest)
    if where is Where.server and (layout or manifest or upload):
        raise typer.BadParameter(
            "the server knows no layout and no manifest; leave this out", param_hint="--from"
        )
    upload = upload or where is Where.client
    if layout or manifest or upload:
        return listed_source(path, layout, manifest, label)
    if path and where is Where.auto:
        _require_there(path)
        require_audio(folder_source(path))
    return None


def listed_source(
    path: Path | None, layout: str, manifest: Path | None, label: str, *, objects: bool = False
) -> Source:
    """The source that a path, a path with a layout, or a manifest is.

    `objects` tells that the manifest may name objects of object stores.
    """
    require_one(path, layout, manifest)
    if manifest:
        return manifest_source(manifest, label, objects=objects)
    assert path is not None  # noqa: S101  one of both is there
    _require_there(path)
    if not layout:
        return folder_source(path, label)
    source = corpus_source(path, layout, label)
    tell_notes(source.notes)
    return source


def tell_notes(notes: Iterable[str]) -> None:
    """Tells what a source lacks."""
    for note in notes:
        sys.stderr.write(f"note: {note}\n")


def _late_source(
    client: AudiosearchClient,
    library: str,
    path: Path | None,
    reference: str,
    layout: str,
    label: str,
) -> Source:
    """The source that the server lists, or the folder that it may read itself."""
    if path is not None:
        return folder_source(path, label)
    source = reference_source(client, library, reference, layout, label)
    tell_notes(source.notes)
    return source


def _require_alone(reference: str, local_path: Path | None, where: Where, *, local: bool) -> None:
    """Refuses what is about local files beside an import by reference."""
    if reference and (local_path or local or where is not Where.auto):
        raise typer.BadParameter(
            "the server lists the place; leave out a path, --manifest, --from, --dry-run and "
            "--watch",
            param_hint="--reference",
        )


def require_one(path: object, layout: str, manifest: Path | None) -> None:
    """Refuses anything but a path, a path with a known layout, or a manifest."""
    if (path is None) == (manifest is None) or (manifest and layout):
        raise typer.BadParameter(
            "name a folder, with or without --layout, or a --manifest", param_hint="PATH"
        )
    if layout and layout not in LAYOUTS:
        raise typer.BadParameter(
            f"{layout!r} is none of {', '.join(LAYOUTS)}; a --manifest describes anything else",
            param_hint="--layout",
        )


def _require_there(path: Path) -> None:
    if not path.exists():
        raise typer.BadParameter(f"{path} is not there", param_hint="PATH")


def _new_job(library: str, source: Source) -> ImportJob:
    job = ImportJob(library=f"libraries/{library}", folder=source.where)
    job.progress.total = count(source)
    job.progress.passed_over.update(source.passed_over)
    return job


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
