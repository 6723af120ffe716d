"""`audiosearch map`: the places of clips in two dimensions."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.gateway.v1.library_map_pb2 import LibraryMap
from audiosearch_client.client import AudiosearchClient

from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    Target,
    connect,
    print_json,
    say,
    text_output,
)
from audiosearch_cli.progress import Shown

COLUMNS = ("clip", "x", "y", "name", "label", "speaker", "seconds")
_PERCENT = 100


def library_map(
    library: Annotated[str, typer.Argument(help="Name of the library.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="A .csv to write; - is the screen."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the best map.")] = True,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Lay the clips of a library out in two dimensions: those that sound alike lie together."""
    with connect(target, ca) as client:
        found = _wait(client, library, quiet=json, best=wait)
    if json:
        return print_json(found)
    if output:
        with text_output(output) as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for point in found.points:
                seconds = point.duration.ToMilliseconds() / 1000
                place = (f"{point.x:.4f}", f"{point.y:.4f}")
                values = (point.display_name, point.label, point.speaker, seconds)
                writer.writerow((point.clip, *place, *values))
    state = LibraryMap.State.Name(found.state).removeprefix("STATE_").lower()
    told = f"map of {library}: {state}, {found.sampled_count:,} of {found.clip_count:,} clips"
    if output is None:
        return say(f"{told}; --output FILE.csv writes their places, the web client draws them")
    sys.stderr.write(f"{told}\n")
    return None


def _wait(client: AudiosearchClient, library: str, *, quiet: bool, best: bool) -> LibraryMap:
    found = LibraryMap()
    with Shown("laying out", "percent", quiet=quiet) as shown:
        for found in client.watch_map(library, best=best):
            shown.show(round(_PERCENT * found.progress), _PERCENT)
    return found
