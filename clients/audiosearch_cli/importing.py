"""`audiosearch import`: a folder of the server, or files of this machine by upload."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import IO, Annotated, TypeVar

import typer
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.layouts import LAYOUTS
from audiosearch_client.corpora.sources import corpus_source, folder_source, manifest_source
from audiosearch_client.corpora.survey import count, survey
from audiosearch_client.uploading import Fail, Uploader
from google.longrunning import operations_pb2
from google.protobuf.json_format import MessageToJson

from audiosearch_cli import dry_run, import_report
from audiosearch_cli.channels import Channel
from audiosearch_cli.libraries.models import For, Purpose, choice, purpose_of
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    connect,
)
from audiosearch_cli.problems import CommandError
from audiosearch_cli.progress import Shown
from serving.errors import Reason, ServiceError
from serving.retry import Retry

POLL_SECONDS = 0.5
T = TypeVar("T")
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
    source = _source(path, layout, manifest, label, where, dry=dry)
    if source and dry:
        return dry_run.show(survey(source), library, as_json=json)
    job = _new_job(library, source) if source else None
    start = time.monotonic()
    with connect(target, ca) as client:
        _patiently(lambda: _ensure(client, library, purpose), final=(Reason.GATEWAY_UNAVAILABLE,))
        operation, labelled = None, 0
        if path is not None and source is None:
            folder = path
            operation = _patiently(
                lambda: _start(client, library, folder, label, channel, where, target),
                final=(Reason.GATEWAY_UNAVAILABLE,),
            )
            source = folder_source(path, label)
        with Shown(quiet=json) as shown, _sink(failures) as fail:
            if operation:
                job = _follow(client, operation, shown)
            elif source:
                job = job or _new_job(library, source)
                labelled = _upload(Uploader(client, library, source, channel), job, shown, fail)
    if job is None:
        raise AssertionError
    if json:
        import_report.print_json(job, labelled)
    else:
        seconds = time.monotonic() - start
        import_report.summarise(job, labelled, library, seconds, whole=failures)
    if job.progress.failed and not job.progress.imported + job.progress.existing:
        raise import_report.nothing_imported(job)
    return None


def _source(
    path: Path | None, layout: str, manifest: Path | None, label: str, where: Where, *, dry: bool
) -> Source | None:
    """The source of the upload; None if the server may be able to read the folder itself."""
    if (path is None) == (manifest is None) or (manifest and layout):
        raise typer.BadParameter(
            "name a folder, with or without --layout, or a --manifest", param_hint="PATH"
        )
    if where is Where.server and (layout or manifest or dry):
        raise typer.BadParameter(
            "the server knows no layout and no manifest; leave this out", param_hint="--from"
        )
    if layout and layout not in LAYOUTS:
        raise typer.BadParameter(
            f"{layout!r} is none of {', '.join(LAYOUTS)}; a --manifest describes anything else",
            param_hint="--layout",
        )
    if path and where is not Where.server and not path.exists():
        raise typer.BadParameter(f"{path} is not there", param_hint="PATH")
    if manifest:
        return manifest_source(manifest, label)
    if layout and path:
        source = corpus_source(path, layout, label)
        for note in source.notes:
            sys.stderr.write(f"note: {note}\n")
        return source
    return folder_source(path, label) if path and (dry or where is Where.client) else None


def _new_job(library: str, source: Source) -> ImportJob:
    job = ImportJob(library=f"libraries/{library}", folder=str(source.root))
    job.progress.total = count(source)
    job.progress.passed_over.update(source.passed_over)
    return job


def _upload(uploader: Uploader, job: ImportJob, shown: Shown, fail: Fail) -> int:
    """Uploads everything and returns the number of labelled clips. An error says how far it got."""
    try:
        uploader.work(job, shown.update, fail)
    except ServiceError as error:
        state = job.progress
        done = state.imported + state.existing + state.failed
        raise ServiceError(
            error.reason,
            f"{error.message} (stopped after {done:,} of {state.total:,} files; the same command "
            "goes on from there)",
            error.metadata,
        ) from error
    return uploader.labelled


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


def _patiently(ask: Callable[[], T], final: tuple[Reason, ...] = ()) -> T:
    """The answer, waited for while a service is away; not for the reasons of `final`."""
    retry, told = Retry(), False
    while True:
        try:
            return ask()
        except ServiceError as error:
            if error.reason in final:
                raise
            pause = retry.pause(error)
            if not told:
                sys.stderr.write(f"waiting: {error.message}\n")
                told = True
            time.sleep(pause)


def _ensure(client: AudiosearchClient, library: str, purpose: Purpose | None) -> None:
    try:
        there = client.call(
            client.stubs.libraries.GetLibrary,
            library_pb2.GetLibraryRequest(
                name=f"libraries/{library}", view=library_pb2.LIBRARY_VIEW_BASIC
            ),
        )
        if purpose and purpose_of(there) != purpose.value:
            raise CommandError(
                f"library {library} is there already, and is for {purpose_of(there)}; leave out "
                "--for, or name another library"
            )
    except ServiceError as error:
        if error.reason is not Reason.LIBRARY_NOT_FOUND:
            raise
        client.call(
            client.stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(library_id=library, library=choice(purpose, "")),
        )


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
    try:
        while True:
            job, done = _patiently(lambda: client.import_job(operation.name))
            shown.update(job)
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
