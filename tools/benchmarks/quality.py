"""Measures how far changes of a recording move its vector, beside another release of the project.

`python -m tools.benchmarks.quality --recordings FOLDER --beside CHECKOUT`: clips are embedded by a
running embedding service, and each changed clip searches among the originals, exactly. "first" is
the share of them whose original comes first, "worst" the worst rank of an original. "mean" and
"lowest" are cosines of a changed clip to its original. A refused clip has no vector, so it is not
first.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
import numpy as np
import soundfile
import soxr
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from serving.errors import Reason, from_rpc_error
from tools.benchmarks.quality_changes import CHANGES, RATE, Clip, wav
from tools.servers.embedding_process import HERE, Service, running
from tools.training.sounds.classes import FAMILIES, draw_classes

COUNT = 60
SECONDS = 5.0
REFUSALS = {
    Reason.AUDIO_UNDECODABLE,
    Reason.AUDIO_TOO_SHORT,
    Reason.AUDIO_TOO_LONG,
    Reason.AUDIO_SILENT,
}
_PEAK = 0.5
"""Peak of the synthetic clips: between those of recorded speech."""

_AT_ONCE = 2


@dataclass(frozen=True)
class Found:
    """The results of one change in one release. Without a vector there is no rank and no cosine."""

    first: float
    worst: int | None
    mean: float | None
    lowest: float | None
    refused: int


def main() -> None:
    """Prints the table."""
    options = _options()
    count, seconds = options.clips, options.seconds
    clips = list(
        recorded(options.recordings, count, seconds)
        if options.recordings
        else synthetic(count, seconds)
    )
    if len(clips) < count:
        sys.exit(
            f"{options.recordings} holds {len(clips)} recordings of {seconds:g} s or more that "
            f"libsndfile reads: give another folder, or --clips and --seconds"
        )
    start = time.monotonic()
    with ExitStack() as stack:
        folders = [HERE, *([options.beside.resolve()] if options.beside else [])]
        settings = {"AUDIOSEARCH_OFFLINE": "true"}
        services = [stack.enter_context(running(settings, folder)) for folder in folders]
        models, rows = measure(services, clips)
    console = Console(width=120)
    console.print(_table(rows, models))
    source = options.recordings or "synthetic sounds"
    console.print(
        f"{count} clips of {seconds:g} s, {source}; {time.monotonic() - start:.0f} s, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--recordings", type=Path, help="folder of recordings; without it, synthetic sounds"
    )
    parser.add_argument(
        "--beside", type=Path, help="another checkout of the project, with its .venv"
    )
    parser.add_argument("--clips", type=int, default=COUNT, help="number of clips")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of a clip")
    options = parser.parse_args()
    if options.clips < 2:
        parser.error("--clips must be at least 2: a search among fewer finds the only one")
    if options.seconds < 1:
        parser.error("--seconds must be at least 1")
    if options.recordings and not options.recordings.is_dir():
        parser.error(f"{options.recordings} is no folder")
    if options.beside and not (options.beside / ".venv/bin/python").exists():
        parser.error(f"{options.beside} is no checkout with an environment: make install there")
    return options


def recorded(folder: Path, count: int, seconds: float) -> Iterator[Clip]:
    """Yields the start of recordings, evenly spread over all that are long enough, as mono."""
    paths = [path for path in sorted(folder.rglob("*")) if _length(path) >= seconds]
    for place in range(min(count, len(paths))):
        path = paths[place * len(paths) // min(count, len(paths))]
        rate = soundfile.info(path).samplerate
        samples, _ = soundfile.read(path, int(seconds * rate), always_2d=True)
        yield soxr.resample(samples.mean(axis=1), rate, RATE)


def _length(path: Path) -> float:
    """Returns the length of a recording in seconds; 0 for all that is none."""
    try:
        return float(soundfile.info(path).duration) if path.is_file() else 0.0
    except soundfile.LibsndfileError:
        return 0.0


def synthetic(count: int, seconds: float) -> Iterator[Clip]:
    """Yields sounds and voices of as many classes, which the bundled model was not trained on."""
    classes = draw_classes(-(-count // len(FAMILIES)), unseen=True)
    for number, each in enumerate(classes[:count]):
        sound = each.render(np.random.default_rng(number), int(seconds * RATE))
        yield _PEAK * sound / np.abs(sound).max()


def measure(
    services: Sequence[Service], clips: Sequence[Clip]
) -> tuple[list[str], dict[str, list[Found]]]:
    """Returns the name of each service's model, and by change what each service found."""
    rows: dict[str, list[Found]] = {}
    with (
        concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        contents = [wav(clip) for clip in clips]
        models = [service.embed(contents[0]).embedding.model for service in services]
        originals = [vectors(pool, service, contents) for service in services]
        for name, change in progress.track(CHANGES.items(), description="measuring"):
            contents = list(pool.map(change, clips))
            rows[name] = [
                found(vectors(pool, service, contents), originals[place])
                for place, service in enumerate(services)
            ]
    return models, rows


def vectors(
    pool: concurrent.futures.Executor,
    service: Service,
    contents: Sequence[bytes],
    model: str = "",
) -> np.ndarray:
    """Returns the vectors, shape (clips, dimension); a row of NaN for each that is refused."""
    found = list(pool.map(partial(_vector, service, model), contents))
    width = max((len(vector) for vector in found if vector is not None), default=0)
    missing = np.full(width, np.nan)
    return np.array([missing if vector is None else vector for vector in found])


def _vector(service: Service, model: str, content: bytes) -> np.ndarray | None:
    try:
        return np.array(service.embed(content, model).embedding.values)
    except grpc.RpcError as error:
        failure = from_rpc_error(error)
        if failure is None or failure.reason not in REFUSALS:
            raise
        return None


def found(changed: np.ndarray, originals: np.ndarray) -> Found:
    """Searches with each changed clip among the originals, which are all unit vectors.

    Args:
        changed: Vectors in the order of the originals; NaN for those that were refused.
        originals: Shape (clips, dimension).
    """
    kept = np.flatnonzero(~np.isnan(changed).any(axis=1)) if changed.size else np.array([], int)
    refused = len(originals) - len(kept)
    if not len(kept):
        return Found(0.0, None, None, None, refused)
    scores = changed[kept] @ originals.T
    own = scores[np.arange(len(kept)), kept]
    ranks = 1 + (scores > own[:, None]).sum(axis=1)
    return Found(
        first=float((ranks == 1).sum() / len(originals)),
        worst=int(ranks.max()),
        mean=float(own.mean()),
        lowest=float(own.min()),
        refused=refused,
    )


def _table(rows: Mapping[str, Sequence[Found]], models: Sequence[str]) -> Table:
    words = ("first", "worst", "mean", "lowest", "refused")
    title = "here: " + ", beside: ".join(models)
    table = Table("change", title=title, title_justify="left")
    for place in range(len(models)):
        for word in words:
            table.add_column(f"{'beside' if place else 'here'}\n{word}", justify="right")
    for name, results in rows.items():
        table.add_row(name, *(cell for result in results for cell in _cells(result)))
    return table


def _cells(result: Found) -> list[str]:
    return [
        f"{100 * result.first:.0f} %",
        "" if result.worst is None else str(result.worst),
        "" if result.mean is None else f"{result.mean:.3f}",
        "" if result.lowest is None else f"{result.lowest:.3f}",
        str(result.refused or ""),
    ]


if __name__ == "__main__":
    main()
