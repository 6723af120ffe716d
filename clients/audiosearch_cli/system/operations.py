"""`audiosearch operation ...`: imports that the server makes."""

from __future__ import annotations

import itertools
from typing import Annotated

import typer
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch_client.client import job_of
from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from audiosearch_cli.imports import report
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    Target,
    connect,
    print_json,
    print_table,
    say,
    say_fields,
)

app = typer.Typer(no_args_is_help=True, help="List, show and cancel imports of the server.")
Name = Annotated[str, typer.Argument(metavar="OPERATION", help="Its name, or the last part of it.")]


def _full(name: str) -> str:
    return name if "/" in name else f"operations/{name}"


def _state(job: ImportJob) -> str:
    word = ImportJob.State.Name(job.state).removeprefix("STATE_").lower()
    return "stopping" if job.cancel_requested and job.state == ImportJob.STATE_RUNNING else word


@app.command("list")
def list_operations(
    library: Annotated[
        str, typer.Option("--library", "-l", help="Only imports into this library.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Number to show at most.")] = 100,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List imports of the server, the newest first."""
    request = operations_pb2.ListOperationsRequest(
        name=f"libraries/{library}" if library else "", page_size=min(limit, 1000)
    )
    with connect(target, ca) as client:
        pages = client.pages(client.stubs.operations.ListOperations, request)
        found = list(itertools.islice((one for page in pages for one in page.operations), limit))
    if json:
        return print_json(operations_pb2.ListOperationsResponse(operations=found))
    jobs = [(each.name, job_of(each)) for each in found]
    rows = [
        (
            name,
            _state(job),
            job.library.removeprefix("libraries/"),
            f"{job.progress.total:,}",
            f"{job.progress.imported:,}",
            f"{job.progress.existing:,}",
            f"{job.progress.failed:,}",
            f"{job.create_time.ToDatetime():%Y-%m-%d %H:%M}",
        )
        for name, job in jobs
    ]
    columns = ("operation", "state", "library", "files", "imported", "existing", "failed", "asked")
    return print_table(columns, rows)


@app.command()
def show(name: Name, target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False) -> None:
    """Show how far an import is, and what failed."""
    with connect(target, ca) as client:
        request = operations_pb2.GetOperationRequest(name=_full(name))
        operation = client.call(client.stubs.operations.GetOperation, request)
    if json:
        return print_json(operation)
    job = job_of(operation)
    say_fields(
        [
            ("operation", operation.name),
            ("state", _state(job)),
            ("why", job.failure.message),
            ("library", job.library.removeprefix("libraries/")),
            ("folder", job.folder),
            ("asked", f"{job.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"),
            ("changed", f"{job.update_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"),
        ]
    )
    state = job.progress
    say(
        f"{state.imported:,} imported, {state.existing:,} there already, {state.failed:,} failed, "
        f"of {state.total:,} files"
    )
    return report.tell_details(job)


@app.command()
def cancel(name: Name, target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False) -> None:
    """Cancel an import. It stops after the files in progress; their clips stay."""
    with connect(target, ca) as client:
        request = operations_pb2.CancelOperationRequest(name=_full(name))
        client.call(client.stubs.operations.CancelOperation, request)
    return print_json(Empty()) if json else say(f"{_full(name)} is being cancelled")
