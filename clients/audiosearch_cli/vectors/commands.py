"""`audiosearch vectors ...`."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_BASIC, GetLibraryRequest
from audiosearch.gateway.v1.clips_pb2 import NewVector, UploadVectorsRequest
from audiosearch_client.client import AudiosearchClient

from audiosearch_cli.output import DEFAULT_TARGET, Ca, Json, Target, complain, connect, say
from audiosearch_cli.problems import CommandError, end
from audiosearch_cli.progress import Shown
from serving import limits
from serving.errors import Reason

app = typer.Typer(no_args_is_help=True, help="Fill libraries for vectors that were made elsewhere.")
_MOST = limits.of(UploadVectorsRequest, "vectors").max_items
_BATCH_BYTES = 2 * 1024 * 1024
_TOLD = 20
"""Lines that failed, told one by one; the others are counted."""
_HEADER_WORDS = 2
_INVALID = Reason.FIELD_INVALID.value
Line = tuple[int, NewVector]


@app.command()
def upload(
    library: Annotated[str, typer.Argument(help="Library for vectors.")],
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="Text as GloVe's: a line for each vector, its name before it.",
        ),
    ],
    label: Annotated[str, typer.Option(help="Label given to every vector.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Store the vectors of a file. A repeat stores only those that are not there."""
    quiet = quiet or json
    with connect(target, ca) as client, Shown("uploading", "vectors", quiet=quiet) as shown:
        request = GetLibraryRequest(name=f"libraries/{library}", view=LIBRARY_VIEW_BASIC)
        opened = client.call(client.stubs.libraries.GetLibrary, request)
        if not opened.dimension:
            raise CommandError(f"{library} is a library for audio; it takes no vectors")
        run = _Run(client, opened.name, opened.model)
        total = _count(file)
        for batch in _batches(_lines(file, label, opened.dimension, run)):
            run.send(batch)
            shown.show(run.created + run.existing + run.failed, total)
    if json:
        counts = {"created": run.created, "existing": run.existing, "failed": run.failed}
        sys.stdout.write(json_text.dumps({**counts, "failures": run.failures}) + "\n")
    else:
        say(f"{run.created:,} vectors stored, {run.existing:,} were there, {run.failed:,} failed")
    end(run.created + run.existing, run.failed)


class _Run:
    """One upload of a file, and its counts."""

    def __init__(self, client: AudiosearchClient, parent: str, model: str) -> None:
        self._client = client
        self._parent = parent
        self._model = model
        self.created = self.existing = self.failed = 0
        self.failures: list[dict[str, object]] = []

    def send(self, batch: list[Line]) -> None:
        """Stores a batch and tells its failures."""
        answer = self._client.upload_vectors(
            self._parent.removeprefix("libraries/"), self._model, [vector for _, vector in batch]
        )
        done = 0
        for (number, _), outcome in zip(batch, answer.outcomes, strict=True):
            if outcome.HasField("failure"):
                self.fail(number, outcome.failure.reason, outcome.failure.message)
            else:
                done += 1
        self.created += answer.created_count
        self.existing += done - answer.created_count

    def fail(self, number: int, reason: str, message: str) -> None:
        """Counts a line that failed, and tells it if it is one of the first."""
        self.failed += 1
        if self.failed <= _TOLD:
            self.failures.append({"line": number, "reason": reason, "message": message})
            complain(f"line {number:,}: {reason}: {message}")
        elif self.failed == _TOLD + 1:
            complain("more lines failed; they are counted")


def _count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _lines(file: Path, label: str, dimension: int, run: _Run) -> Iterator[Line]:
    """The vectors of a file with the numbers of their lines. A name may hold spaces."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            words = line.rstrip().split(" ")
            if number == 1 and len(words) == _HEADER_WORDS and all(map(str.isdecimal, words)):
                continue  # word2vec's text begins with the count and the dimension
            name = " ".join(words[:-dimension])
            if not name:
                run.fail(number, _INVALID, f"no name and {dimension:,} numbers")
                continue
            try:
                values = [float(word) for word in words[-dimension:]]
            except ValueError as error:
                run.fail(number, _INVALID, str(error))
                continue
            yield number, NewVector(clip=Clip(display_name=name, label=label), values=values)


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Lines in batches that a message holds."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        length = line[1].ByteSize()
        if batch and (len(batch) == _MOST or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch
