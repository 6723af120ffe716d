"""`make demo`: starts the services, imports example clips, searches them, and removes all."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.gateway.v1.search_pb2 import SearchClipsResponse
from audiosearch_client.client import AudiosearchClient
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy import example_sounds
from deploy.local_stack import StackError, running
from serving.errors import ServiceError

LIBRARY = "example"
QUERIES = ("sword_clash", "knife_on_wood", "voice_middle")
"""Kinds of sound to search with. Each query is a new variant, not in the library."""

NEW_VARIANT = 100
console = Console(highlight=False)


def kind_of(display_name: str) -> str:
    """Returns the kind of an example clip from its file name."""
    return display_name.rsplit("_", 1)[0]


def _import(client: AudiosearchClient, folder: Path) -> ImportJob:
    operation = client.import_folder(LIBRARY, str(folder))
    with Progress(console=console) as progress:
        task = progress.add_task("importing", total=len(list(folder.iterdir())))
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
    answer = client.search(LIBRARY, path, k=5)
    spent = (time.perf_counter() - start) * 1000
    console.print(_ranking(answer, query))
    right = bool(answer.matches) and kind_of(answer.matches[0].clip.display_name) == query
    console.print(
        f"{'right' if right else 'WRONG'}: {query} {'comes' if right else 'does not come'} first "
        f"({spent:.0f} ms from the file to the names)\n"
    )
    return right


def demo(work: Path) -> bool:
    """Runs the demo in the folder `work`. Returns True if import and searches were all right."""
    clips, queries = work / "clips", work / "queries"
    clips.mkdir()
    queries.mkdir()
    example_sounds.write_all(clips)
    console.print(f"{len(list(clips.iterdir()))} example clips made; starting the four services")
    with (
        running(work / "data", {"AUDIOSEARCH_IMPORT_ROOTS": str(clips)}) as stack,
        AudiosearchClient(stack.target) as client,
    ):
        (model,) = client.call(client.stubs.models.ListModels, ListModelsRequest()).models[:1]
        console.print(f"four services are up, gateway at {stack.target}\nmodel {model.name}")
        client.call(
            client.stubs.libraries.CreateLibrary,
            library_pb2.CreateLibraryRequest(library_id=LIBRARY),
        )
        job = _import(client, clips)
        console.print(f"{job.progress.imported} clips imported, {job.progress.failed} failed\n")
        right = [_search(client, queries, query) for query in QUERIES]
        client.call(
            client.stubs.libraries.DeleteLibrary,
            library_pb2.DeleteLibraryRequest(name=f"libraries/{LIBRARY}", force=True),
        )
        console.print("library deleted; stopping the services")
    return all(right) and job.progress.imported == len(list(clips.iterdir()))


def main() -> int:
    """Runs the demo in a temporary folder. Returns 0 if all went right, 1 if not."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="audiosearch-demo-") as work:
        try:
            right = demo(Path(work))
        except (ServiceError, StackError) as error:
            console.print(f"[red]the demo failed:[/] {error}")
            return 1
    console.print(
        f"done in {time.perf_counter() - start:.0f} s; nothing was left behind"
        if right
        else "[red]the demo ended with a wrong answer[/]"
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
