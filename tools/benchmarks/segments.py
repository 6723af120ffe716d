"""Finds voices in joined recordings, beside one vector for each recording.

`python -m tools.benchmarks.segments --recordings FOLDER`: recordings named `{speaker}-...` are
joined to long ones, in which each voice speaks for 5 to 7 s. Each speaker that the training recipe
holds out speaks in one of them, and 5 s more of what the speaker says are the query. Both libraries
of a run are filled and searched through the gateway of a whole stack: one keeps windows, the other
one vector for each recording. "first" is the share of queries whose recording comes first. "start"
is the share of these whose best segment begins within a hop of where the voice begins.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import soundfile
import soxr
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, GetLibraryRequest, Library
from audiosearch.catalog.v1.library_service_pb2_grpc import LibraryServiceStub
from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from audiosearch.gateway.v1.search_pb2 import SearchClipsResponse
from audiosearch_client.client import AudiosearchClient
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from deploy.local_stack import LocalStack, running
from tools.training.corpus import split_speakers

RATE = 16_000
QUERY_SECONDS = 5.0
HELD_OUT = 25
"""Speakers that the recipe of the bundled model holds out."""

_TURN = (5.0, 7.0)
"""Seconds that a voice speaks in a recording."""

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Voice:
    """A speaker that is searched for: the query, and where the voice is."""

    query: Wave
    recording: int
    start: float
    end: float


@dataclass(frozen=True)
class Round:
    """Recordings, and voices that speak in them."""

    recordings: Sequence[Wave]
    voices: Sequence[Voice]


@dataclass(frozen=True)
class Measured:
    """The results of one kind of library."""

    first: list[bool]
    starts: list[bool]
    """Of those found first with a segment."""
    ends: list[bool]
    milliseconds: list[float]


def main() -> None:
    """Prints the table."""
    options = _options()
    speech = read(options.recordings)
    held_out = _asked(speech, options.held_out)
    if not held_out:
        sys.exit(f"no held-out speaker in {options.recordings} says enough to search for")
    rng = np.random.default_rng(options.seed)
    table = Table(
        *("recordings", "library", "queries", "first", "start", "end", "search, ms"),
        title=f"{len(held_out)} held-out speakers, {options.rounds} rounds",
        title_justify="left",
    )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"AUDIOSEARCH_LOG_LEVEL": "warning"}
        with running(Path(folder) / "data", settings) as stack:
            for size in options.sizes:
                count, voices = (int(number) for number in size.split("x"))
                rounds = [join(speech, held_out, count, voices, rng) for _ in range(options.rounds)]
                for row in _measure(stack, Path(folder), rounds, size):
                    table.add_row(*row)
    console = Console(width=100)
    console.print(table)
    console.print(
        f"{time.monotonic() - start:.0f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--recordings", type=Path, required=True, help="folder of recordings, {speaker}-..."
    )
    parser.add_argument("--rounds", type=int, default=4, help="times that all is drawn anew")
    parser.add_argument("--seed", type=int, default=15, help="seed of what is drawn")
    parser.add_argument(
        "--held-out", type=int, default=HELD_OUT, help="speakers that are searched for"
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["7x24", "5x100"],
        help="recordings x voices in each; a voice speaks 6 s on average",
    )
    options = parser.parse_args()
    if not options.recordings.is_dir():
        parser.error(f"{options.recordings} is no folder")
    return options


def read(folder: Path) -> dict[str, Wave]:
    """The recording of each speaker, as mono of RATE; the longest if there are several."""
    speech: dict[str, Wave] = {}
    for path in sorted(each for each in folder.iterdir() if each.suffix in {".flac", ".wav"}):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wave = soxr.resample(samples.mean(axis=1), rate, RATE)
        speaker = path.stem.split("-")[0]
        if len(wave) > len(speech.get(speaker, ())):
            speech[speaker] = wave
    return speech


def _asked(speech: Mapping[str, Wave], held_out: int) -> list[str]:
    """Held-out speakers who say enough for a turn and a query."""
    least = (sum(_TURN) / 2 + QUERY_SECONDS) * RATE
    _, chosen = split_speakers(tuple(sorted(speech)), held_out)
    return [speaker for speaker in chosen if len(speech[speaker]) >= least]


def join(
    speech: Mapping[str, Wave],
    held_out: Sequence[str],
    count: int,
    voices: int,
    rng: np.random.Generator,
) -> Round:
    """Joins turns to recordings. The other speakers may speak in several, never twice in one."""
    shuffled = [str(name) for name in rng.permutation(list(held_out))]
    others = [name for name in sorted(speech) if name not in held_out]
    recordings: list[Wave] = []
    found: list[Voice] = []
    for number in range(count):
        mine = shuffled[number::count]
        fill = [str(name) for name in rng.permutation(others)][: voices - len(mine)]
        turns: list[Wave] = []
        for speaker in (str(name) for name in rng.permutation(mine + fill)):
            length = int(rng.uniform(*_TURN) * RATE)
            wave, begin = speech[speaker], sum(len(turn) for turn in turns)
            if speaker in mine:
                query, turn = _split(wave, length, at_start=bool(rng.integers(2)))
                span = (begin / RATE, (begin + len(turn)) / RATE)
                found.append(Voice(query, number, *span))
            else:
                offset = int(rng.integers(max(1, len(wave) - length)))
                turn = wave[offset : offset + length]
            turns.append(turn)
        recordings.append(np.concatenate(turns))
    return Round(recordings, found)


def _split(wave: Wave, length: int, *, at_start: bool) -> tuple[Wave, Wave]:
    """A query from one end of a recording, and a turn from the other; they share nothing."""
    query = int(QUERY_SECONDS * RATE)
    length = min(length, len(wave) - query)
    return (wave[:query], wave[-length:]) if at_start else (wave[-query:], wave[:length])


def _measure(
    stack: LocalStack, folder: Path, rounds: Sequence[Round], size: str
) -> Iterator[list[str]]:
    seconds = [len(one) / RATE for each in rounds for one in each.recordings]
    with AudiosearchClient(stack.target) as client:
        for kind, windows in (("windows", True), ("one vector each", False)):
            measured = Measured([], [], [], [])
            for number, each in enumerate(rounds):
                name = f"{size}-{number}-{kind.replace(' ', '-')}"
                hop = make(stack, client, name, windows=windows)
                _search(client, folder, name, each, hop, measured)
            yield [
                f"{size.split('x', maxsplit=1)[0]} of {statistics.mean(seconds):.0f} s",
                kind,
                str(len(measured.first)),
                _share(measured.first),
                _share(measured.starts),
                _share(measured.ends),
                f"{statistics.median(measured.milliseconds):.0f}",
            ]


def make(stack: LocalStack, client: AudiosearchClient, name: str, *, windows: bool) -> float:
    """Makes a library and returns its hop; one without windows has a hop of 0."""
    if windows:
        created = CreateLibraryRequest(library_id=name)
        client.call(client.stubs.libraries.CreateLibrary, created)
    else:  # as those that were made before there were windows: without a rule
        model = client.call(client.stubs.models.GetModel, GetModelRequest(name="models/default"))
        library = Library(model=model.name)
        with grpc.insecure_channel(stack.addresses.target("catalog")) as channel:
            LibraryServiceStub(channel).CreateLibrary(
                CreateLibraryRequest(library_id=name, library=library)
            )
    request = GetLibraryRequest(name=f"libraries/{name}")
    made = client.call(client.stubs.libraries.GetLibrary, request)
    return float(made.window_rule.hop.ToNanoseconds() / 1e9)


def _search(
    client: AudiosearchClient,
    folder: Path,
    name: str,
    each: Round,
    hop: float,
    measured: Measured,
) -> None:
    path = folder / "sound.flac"
    clips = []
    for wave in each.recordings:
        soundfile.write(path, wave, RATE)
        clips.append(client.upload(name, path).clip.name)
    for voice in each.voices:
        soundfile.write(path, voice.query, RATE)
        begun = time.perf_counter()
        answer = client.search(name, path)
        measured.milliseconds.append(1000 * (time.perf_counter() - begun))
        _judge(answer, clips[voice.recording], voice, hop, measured)


def _judge(
    answer: SearchClipsResponse, clip: str, voice: Voice, hop: float, measured: Measured
) -> None:
    best = answer.matches[0]
    measured.first.append(best.clip.name == clip)
    if not measured.first[-1] or not best.segments:
        return
    segment = best.segments[0]
    start = segment.start_offset.ToNanoseconds() / 1e9
    end = segment.end_offset.ToNanoseconds() / 1e9
    measured.starts.append(abs(start - voice.start) <= hop)
    measured.ends.append(abs(end - voice.end) <= hop)


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values) / len(values):.3f}" if values else ""


if __name__ == "__main__":
    main()
