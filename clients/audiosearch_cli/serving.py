"""`audiosearch serve`: the complete embedded stack in the foreground."""

from __future__ import annotations

import json as json_text
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from audiosearch_cli.output import Json
from audiosearch_cli.problems import CommandError, extra


def serve(
    data_dir: Annotated[
        Path,
        typer.Option(
            envvar="AUDIOSEARCH_DATA_DIR",
            file_okay=False,
            help="Folder of database, vectors and audio.",
        ),
    ] = Path("data"),
    host: Annotated[
        str, typer.Option(help="Address of the gateway; the services behind it stay on 127.0.0.1.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65532,
            help="Port of the gateway; embedding, index and catalog "
            "take the next three. 0 takes free ones.",
        ),
    ] = 50050,
    rest_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            show_default="8002, or a free one with --port 0",
            help="Port of REST and the web client; 0 takes a free one.",
        ),
    ] = None,
    allow: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Folder that imports may read on this machine; can be repeated.",
        ),
    ] = None,
    keyring: Annotated[
        Path | None,
        typer.Option(
            envvar="AUDIOSEARCH_KEYRING",
            dir_okay=False,
            help="File of API keys, made by `audiosearch key create`; without it no key is asked "
            "for, and the gateway stays on loopback.",
        ),
    ] = None,
    restart_after: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds of silence after which a service that hangs is started again; 0 for "
            "never.",
        ),
    ] = 30.0,
    json: Json = False,
) -> None:
    """Run all four services on this machine until Ctrl-C. No other server is needed."""
    with extra("stack"):
        from deploy import parts  # noqa: PLC0415  not there in an installation of clients alone
        from deploy.local_stack import Addresses, LocalStack, StackError  # noqa: PLC0415  the same
    if missing := parts.missing():
        raise CommandError(missing)

    def report(line: str) -> None:
        if not json:
            sys.stderr.write(line + "\n")

    roots = os.pathsep.join(str(folder.resolve()) for folder in allow or [])
    settings = {
        "AUDIOSEARCH_IMPORT_ROOTS": roots,
        "AUDIOSEARCH_KEYRING": str(keyring.absolute()) if keyring else "",
    }
    stack = LocalStack(
        data_dir,
        Addresses.from_port(port, (8002 if port else 0) if rest_port is None else rest_port, host),
        {name: value for name, value in settings.items() if value},
        report,
        restart_after,
    )
    started = False

    def interrupt(_number: int, _frame: object) -> None:
        if not started:
            raise KeyboardInterrupt
        stack.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        stack.start()
        started = True
        if json:
            ready = {"target": stack.target, "web": stack.web, "dataDir": str(stack.data_dir)}
            sys.stdout.write(json_text.dumps(ready) + "\n")
            sys.stdout.flush()
        report(f"audiosearch is ready at {stack.target}, data in {stack.data_dir}; Ctrl-C stops it")
        report(f"open {stack.web} in a browser; REST is documented at {stack.web}docs")
        stack.supervise()
    except StackError as error:
        raise CommandError(str(error)) from error
    finally:
        stack.stop()
        report("audiosearch has stopped")
