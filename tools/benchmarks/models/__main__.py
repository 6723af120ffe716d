"""Measures each model: speed, memory, sounds by kind, voices by length of speech.

`python -m tools.benchmarks.models --speech FOLDER`: one embedding service runs all models that are
asked for. Each is measured with sounds and with voices, whatever it is for, so that the table shows
what it is not for, too. Speed is measured beside PaddleSpeech's class with the same weights, in
turn, in one process. Official shapes have weights drawn by lot, so nothing else of them is
measured. All that is missing is left out, and told.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.embedding.v1.model_pb2 import Model, Purpose
from rich.console import Console

from tools.benchmarks import models_speed
from tools.benchmarks.models import sounds, tables, voices
from tools.benchmarks.quality import vectors
from tools.servers.embedding_process import running
from tools.training.corpus import SpeechError

SOUNDS = Path("build/sounds")
_AT_ONCE = 2
Say = Callable[[str], None]


def main() -> None:
    """Measures, prints the tables and writes models.json."""
    options = _options()
    start = time.monotonic()
    left_out: list[str] = []

    def leave_out(line: str) -> None:
        left_out.append(line)
        sys.stderr.write(f"left out: {line}\n")

    collections = _collections(options.sounds, leave_out)
    speeds = models_speed.measure_models() if options.speed else []
    measured = {
        "models": list(_models(options, collections, leave_out)),
        "speed": speeds,
        "chance": {each.name: sounds.by_chance(each) for each in collections},
        "leftOut": left_out,
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
    }
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "models.json"
    path.write_text(json.dumps(measured, indent=2, default=_plain) + "\n", encoding="utf-8")
    console = Console(width=200)
    console.print(tables.table(json.loads(path.read_text(encoding="utf-8"))))
    if speeds:
        console.print(models_speed.table(speeds))
    for line in left_out:
        console.print(f"left out: {line}")
    console.print(f"{path}; {time.monotonic() - start:.0f} s, {measured['machine']}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", help="as in AUDIOSEARCH_MODELS; that, or its default")
    parser.add_argument("--speech", type=Path, help="folder of recordings named {speaker}-...")
    parser.add_argument(
        "--sounds",
        type=Path,
        default=SOUNDS,
        help="folder that `python -m tools.training.sounds_model fetch --sources FOLDER` filled",
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench-models"))
    parser.add_argument(
        "--no-speed", dest="speed", action="store_false", help="leave out the comparison of speed"
    )
    options = parser.parse_args()
    if options.speech and not options.speech.is_dir():
        parser.error(f"{options.speech} is no folder")
    return options


def _models(
    options: argparse.Namespace, collections: Sequence[sounds.Collection], leave_out: Say
) -> Iterator[dict[str, object]]:
    """Yields the figures of each model that the service runs."""
    speech = _speech(options.speech, leave_out)
    chosen = {"AUDIOSEARCH_MODELS": options.models} if options.models else {}
    settings = {**chosen, "AUDIOSEARCH_OFFLINE": "true"}
    with (
        concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool,
        running(settings) as service,
    ):
        models = service.stub.ListModels(ListModelsRequest(), timeout=60).models
        for purpose in (Purpose.PURPOSE_VOICES, Purpose.PURPOSE_SOUNDS):
            if all(model.purpose != purpose for model in models):
                leave_out(f"no model for {_word(purpose)} is running")
        for model in models:
            embed = partial(vectors, pool, service, model=model.name)
            yield {
                **_facts(model),
                "sounds": {
                    each.name: sounds.search(embed, options.sounds, each) for each in collections
                },
                "voices": [voices.measure(embed, speech, length) for length in voices.LENGTHS]
                if speech
                else [],
            }


def _speech(folder: Path | None, leave_out: Say) -> Mapping[str, voices.Clip]:
    if folder is None:
        leave_out('voices: no folder of speech was given (ARGS="--speech FOLDER")')
        return {}
    try:
        return voices.held_out(folder)
    except SpeechError as error:
        sys.exit(f"{folder}: {error}")


def _collections(folder: Path, leave_out: Say) -> list[sounds.Collection]:
    found = list(sounds.collections(folder)) if folder.is_dir() else []
    if not found:
        leave_out(
            f"sounds: {folder} holds none of Debian's packages; fetch them with "
            f"python -m tools.training.sounds_model fetch --sources {folder}"
        )
    return found


def _facts(model: Model) -> dict[str, object]:
    return {
        "model": model.name.removeprefix("models/"),
        "purpose": _word(model.purpose),
        "family": model.family,
        "dimension": model.dimension,
        "parameters": model.parameter_count,
        "precision": model.precision,
        "memoryBytes": model.memory_bytes,
        "minScore": model.min_score,
    }


def _word(purpose: Purpose.ValueType) -> str:
    return Purpose.Name(purpose).removeprefix("PURPOSE_").lower()


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


if __name__ == "__main__":
    main()
