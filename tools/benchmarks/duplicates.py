"""The share of copies that are found among recordings of the same voices.

Each recording of the folder gives an original, its first 60 %, and a distractor, the rest: the same
voice on the same microphone, saying something else. For each change there is a library of all
originals, all distractors and a changed copy of each original. A pair of an original and its copy
is right. "precision" is the share of right pairs among the pairs that are in one group, "recall"
the share of right pairs that are in one group: of all clips, and of those whose original has
several windows or is one.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.gateway.v1.duplicates_pb2 import Duplicates, GetDuplicatesRequest
from audiosearch_client.client import AudiosearchClient
from rich.console import Console
from rich.table import Table

from deploy import example_sounds
from deploy.local_stack import running
from tools.benchmarks.quality_changes import CHANGES, RATE, Change, Clip, wav

ORIGINAL = 0.6
"""Share of a recording that is its original."""
_UPLOADS = 4
_VOICE_SECONDS = 16.0
_LEAST_SECONDS = 3.0


@dataclass(frozen=True)
class Source:
    """An original, and more of the same voice."""

    original: Clip
    distractor: Clip


@dataclass(frozen=True)
class Row:
    """The result for one change."""

    found: int
    """Pairs in one group."""
    right: Mapping[int, bool]
    """By number of the original: True if its copy is in its group."""
    seconds: float


def main() -> None:
    """Prints the table."""
    options = _options()
    sources = list(itertools.islice(_sources(options.recordings), options.count))
    if not sources:
        sys.exit(f"no recording in {options.recordings} is long enough")
    table = Table(
        *("change", "pairs found", "precision", "recall", "several windows", "one window", "s"),
        title=f"{len(sources)} originals, as many distractors and copies",
        title_justify="left",
    )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"AUDIOSEARCH_LOG_LEVEL": "warning"}
        with (
            running(Path(folder) / "data", settings) as stack,
            AudiosearchClient(stack.target) as client,
        ):
            for number, (name, change) in enumerate(changes(options.seed).items()):
                single, row = _measure(client, f"change-{number}", sources, change)
                table.add_row(name, *_cells(row, single))
    console = Console(width=110)
    console.print(table)
    console.print(
        f"{time.monotonic() - start:.0f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--recordings", type=Path, help="folder of recordings; without it they are synthesised"
    )
    parser.add_argument("--count", type=int, default=100, help="recordings that are taken")
    parser.add_argument("--seed", type=int, default=15, help="seed of the cuts")
    options = parser.parse_args()
    if options.recordings and not options.recordings.is_dir():
        parser.error(f"{options.recordings} is no folder")
    return options


def changes(seed: int) -> dict[str, Change]:
    """The changes of a copy."""
    rng = np.random.default_rng(seed)

    def cut(samples: Clip, share: float) -> bytes:
        begin = int(rng.uniform(0, 1 - share) * len(samples))
        return wav(samples[begin : begin + int(share * len(samples))])

    named = (
        *("mp3, 64 kbit/s", "ogg opus, 24 kbit/s", "mu-law, 8 kHz", "speed +3 %"),
        *("speed -3 %", "white noise, 20 dB below", "loudness -20 dB"),
    )
    return {
        "flac": lambda samples: wav(samples, kind="FLAC"),
        **{name: CHANGES[name] for name in named},
        "cut, 80 % of it": partial(cut, share=0.8),
        "cut, 60 % of it": partial(cut, share=0.6),
    }


def _sources(folder: Path | None) -> Iterator[Source]:
    for wave in _read(folder) if folder else _synthesised():
        middle = int(ORIGINAL * len(wave))
        if len(wave) - middle >= _LEAST_SECONDS * RATE:
            yield Source(wave[:middle], wave[middle:])


def _read(folder: Path) -> Iterator[Clip]:
    for path in sorted(each for each in folder.iterdir() if each.suffix in {".flac", ".wav"}):
        samples, rate = soundfile.read(path, always_2d=True)
        yield soxr.resample(samples.mean(axis=1), rate, RATE)


def _synthesised() -> Iterator[Clip]:
    """Recordings of the voices among the example sounds, each of words of its own."""
    voices = [kind for kind in example_sounds.KINDS if kind.startswith("voice")]
    for number in itertools.count():
        words: list[Clip] = []
        while sum(map(len, words)) < _VOICE_SECONDS * RATE:
            variant = 1000 * number + len(words) + 1
            words.append(example_sounds.make(voices[number % len(voices)], variant))
        yield np.concatenate(words).astype(np.float64)


def _measure(
    client: AudiosearchClient, library: str, sources: Sequence[Source], change: Change
) -> tuple[Callable[[int], bool], Row]:
    """Fills a library and finds its duplicates; also the originals that are one window."""
    made: Library = client.call(
        client.stubs.libraries.CreateLibrary, CreateLibraryRequest(library_id=library)
    )
    single = made.window_rule.single.ToNanoseconds() / 1e9
    numbers: dict[str, tuple[int, bool]] = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_UPLOADS) as pool:

        def upload(name: str, content: bytes) -> str:
            path = Path(folder) / name
            path.write_bytes(content)
            return client.upload(library, path).clip.name

        for number, source in enumerate(sources):
            ours = {
                f"{number}-original.wav": wav(source.original),
                f"{number}-distractor.wav": wav(source.distractor),
                f"{number}-copy": change(source.original),
            }
            names = list(pool.map(upload, ours, ours.values()))
            numbers[names[0]] = numbers[names[2]] = (number, True)
            numbers[names[1]] = (number, False)
    begun = time.monotonic()
    groups = [[numbers[name] for name in group] for group in _groups(client, library)]
    seconds = time.monotonic() - begun
    right = dict.fromkeys(range(len(sources)), False)
    found = 0
    for group in groups:
        found += len(group) * (len(group) - 1) // 2
        for number, copy in set(group):
            right[number] = right[number] or (copy and group.count((number, copy)) > 1)
    row = Row(found, right, seconds)
    return lambda number: len(sources[number].original) <= single * RATE, row


def _groups(client: AudiosearchClient, library: str) -> list[list[str]]:
    request = GetDuplicatesRequest(name=f"libraries/{library}/duplicates")
    while True:
        found = client.call(client.stubs.libraries.GetDuplicates, request)
        if found.state == Duplicates.STATE_READY:
            break
        time.sleep(0.5)
    return [[member.clip for member in group.members] for group in found.groups]


def _cells(row: Row, single: Callable[[int], bool]) -> list[str]:
    hits = [*row.right.values()]
    several = [hit for number, hit in row.right.items() if not single(number)]
    one = [hit for number, hit in row.right.items() if single(number)]
    return [
        str(row.found),
        f"{sum(hits) / row.found:.3f}" if row.found else "",
        *(f"{sum(some) / len(some):.3f}" if some else "" for some in (hits, several, one)),
        f"{row.seconds:.1f}",
    ]


if __name__ == "__main__":
    main()
