"""`make demo`: starts the services, imports example clips, searches them, and removes all.

With `--keep` the services stay for a look at the page, until Ctrl-C; then all is removed.

Sounds go to a library whose model tells sounds apart, voices to one whose model tells voices apart.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS, PURPOSE_VOICES, Purpose
from audiosearch.gateway.v1.search_pb2 import SearchClipsResponse
from audiosearch_client.client import AudiosearchClient
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy import example_sounds
from deploy.local_stack import LocalStack, StackError, running
from serving.errors import ServiceError

PURPOSES: dict[str, Purpose.ValueType] = {"sounds": PURPOSE_SOUNDS, "voices": PURPOSE_VOICES}
"""The two libraries, by their ids, and what the model of each is to tell apart."""

QUERIES = ("sword_clash", "knife_on_wood", "voice_middle")
"""Kinds of sound to search with. Each query is a new variant, not in a library."""

NEW_VARIANT = 100
console = Console(highlight=False)


def kind_of(display_name: str) -> str:
    """Returns the kind of an example clip from its file name."""
    return display_name.rsplit("_", 1)[0]


def library_of(kind: str) -> str:
    """Returns the id of the library that a kind belongs to."""
    return "voices" if kind.startswith("voice") else "sounds"


def _make_libraries(client: AudiosearchClient) -> None:
    """Makes both. Without a model for sounds, the default model does their work, and it is told."""
    models = client.call(client.stubs.models.ListModels, ListModelsRequest()).models
    for library, purpose in PURPOSES.items():
        fitting = next((model for model in models if model.purpose == purpose), None)
        model = fitting or models[0]
        client.call(
            client.stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(
                library_id=library, library=library_pb2.Library(model=model.name)
            ),
        )
        note = "" if fitting else f" (no model for {library} is running, so this one stands in)"
        console.print(f"library {library}: {model.name.removeprefix('models/')}{note}")


def _import(client: AudiosearchClient, library: str, folder: Path) -> ImportJob:
    operation = client.import_folder(library, str(folder))
    with Progress(console=console) as progress:
        task = progress.add_task(f"importing {library}", total=len(list(folder.iterdir())))
        while True:
            job, done = client.import_job(operation.name)
            progress.update(task, completed=job.progress.imported + job.progress.failed)
            if done:
                return job
            time.sleep(0.1)


def _ranking(answer: SearchClipsResponse, query: str) -> Table:
    table = Table(
        "#", "score", "", "clip", "length", title=f"most like a new {query}", title_justify="left"
    )
    for rank, match in enumerate(answer.matches, 1):
        name = match.clip.display_name
        bar = "█" * round(max(match.score, 0) * 20)
        style = "green" if kind_of(name) == query else ""
        table.add_row(
            str(rank),
            f"{match.score:.3f}",
            f"{bar:20}",
            name,
            f"{match.clip.audio.duration.ToMilliseconds() / 1000:.2f} s",
            style=style,
        )
    return table


def _search(client: AudiosearchClient, folder: Path, query: str) -> bool:
    """Searches with a clip that is not in the library. Returns True if its kind came first."""
    path = example_sounds.write(folder / f"{query}.wav", example_sounds.make(query, NEW_VARIANT))
    start = time.perf_counter()
    answer = client.search(library_of(query), path, k=5)
    spent = (time.perf_counter() - start) * 1000
    console.print(_ranking(answer, query))
    right = bool(answer.matches) and kind_of(answer.matches[0].clip.display_name) == query
    console.print(
        f"{'right' if right else 'WRONG'}: {query} {'comes' if right else 'does not come'} first "
        f"({spent:.0f} ms from the file to the names)\n"
    )
    return right


def demo(work: Path, *, keep: bool = False) -> bool:
    """Runs the demo in the folder `work`. Returns True if import and searches were all right.

    With `keep` the services run on, until Ctrl-C.
    """
    clips, queries = work / "clips", work / "queries"
    queries.mkdir()
    for library in PURPOSES:
        (clips / library).mkdir(parents=True)
    made = [
        example_sounds.write(clips / library_of(kind_of(name)) / f"{name}.wav", sound)
        for name, sound in example_sounds.clips()
    ]
    console.print(f"{len(made)} example clips made; starting the four services")
    with (
        running(work / "data", {"AUDIOSEARCH_IMPORT_ROOTS": str(clips)}) as stack,
        AudiosearchClient(stack.target) as client,
    ):
        console.print(f"four services are up, gateway at {stack.target}")
        _make_libraries(client)
        jobs = [_import(client, library, clips / library) for library in PURPOSES]
        imported = sum(job.progress.imported for job in jobs)
        failed = sum(job.progress.failed for job in jobs)
        console.print(f"{imported} clips imported, {failed} failed\n")
        right = [_search(client, queries, query) for query in QUERIES]
        if keep:
            _show(stack)
        for library in PURPOSES:
            client.call(
                client.stubs.libraries.DeleteLibrary,
                library_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True),
            )
        console.print("libraries deleted; stopping the services")
    return all(right) and imported == len(made)


def _show(stack: LocalStack) -> None:
    """Tells the address of the page, and looks after the services until Ctrl-C or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stack.interrupt())
    console.print(
        f"[bold]open {stack.web} in a browser[/]: two libraries are there to search\n"
        "Ctrl-C stops the services and removes all",
        soft_wrap=True,
    )
    stack.supervise()


def main() -> int:
    """Runs the demo in a temporary folder. Returns 0 if all went right, 1 if not."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the services until Ctrl-C")
    keep = parser.parse_args().keep
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="audiosearch-demo-") as work:
        try:
            right = demo(Path(work), keep=keep)
        except (ServiceError, StackError) as error:
            console.print(f"[red]the demo failed:[/] {error}")
            return 1
        except KeyboardInterrupt:
            console.print("stopped; nothing was left behind")
            return 130
    if right and not keep:
        console.print('to look at it in a browser: make demo ARGS="--keep"')
    console.print(
        f"done in {time.perf_counter() - start:.0f} s; nothing was left behind"
        if right
        else "[red]the demo ended with a wrong answer[/]"
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
