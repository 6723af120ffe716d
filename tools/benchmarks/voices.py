"""Measures speaker identification, and compares its error rates with those a calibration expects.

`python -m tools.benchmarks.voices --recordings fsdd/recordings --output build/voices`: six people
say single digits. Each of them is the stranger once. The other five are enrolled with 10 clips
each, 30 more clips of each are imported with their speaker, and `calibrate` is fitted to these.
Then 50 other clips of each of the six are identified. The stranger and the test clips are not used
before. A last run enrolls all six.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_AS_NORM,
    DetectionCosts,
    OperatingPoint,
)
from audiosearch_client.client import AudiosearchClient
from rich.console import Console
from rich.table import Table

from deploy.local_stack import running
from tools.benchmarks.voices_asked import Person, Run, cast, perform
from tools.benchmarks.voices_charts import draw_det, draw_rates
from tools.benchmarks.voices_counted import Rate, equal_error_rates, rank_one, rates

POINTS = {
    "p_target 0.01, unit costs": OperatingPoint(costs=DetectionCosts(p_target=0.01)),
    "false-alarm rate at most 5 %": OperatingPoint(max_false_alarm_rate=0.05),
}
Found = Mapping[str, object]


def main() -> None:
    """Makes all runs, prints tables, and writes voices.json and two charts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=Path, required=True, help="folder of FSDD's WAV files")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of clips")
    options = parser.parse_args()
    people = cast(options.recordings, options.seed)
    if len(people) < 6:
        parser.error(f"{options.recordings} holds recordings of {len(people)} speakers, not of six")
    options.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    runs, model = run_all(people)
    found = count(runs, sorted(people))
    told = {"model": model, "seed": options.seed, **found}
    text = json.dumps(told, indent=2, default=_plain)
    (options.output / "voices.json").write_text(text + "\n", encoding="utf-8")
    draw(runs, sorted(people), options.output)
    show(runs, sorted(people), model)
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    sys.stdout.write(f"{options.output}: voices.json, det.png, rates.png; ")
    sys.stdout.write(f"{time.monotonic() - start:.0f} s, {load}\n")


def run_all(people: Mapping[str, Person]) -> tuple[list[Run], str]:
    """Makes a run with each person as the stranger, then one with all enrolled.

    Returns:
        The runs in this order, and the name of the model.
    """

    def report(line: str) -> None:
        sys.stderr.write(line + "\n")

    with (
        tempfile.TemporaryDirectory(prefix="audiosearch-voices-") as folder,
        running(Path(folder) / "data") as stack,
        AudiosearchClient(stack.target) as client,
    ):
        runs = [perform(client, people, name, POINTS, report) for name in [*sorted(people), ""]]
    return runs, runs[0].asked[0].calibration.model


def count(runs: Sequence[Run], people: Sequence[str]) -> dict[str, object]:
    """Returns all figures, for voices.json."""
    *with_stranger, everybody = runs
    return {
        "strangers": _by_point(with_stranger, people),
        "everybody": _by_point([everybody], people),
        "byStranger": {run.stranger: _by_point([run], people) for run in with_stranger},
        "rankOne": rank_one(runs, people),
        "equalErrorRate": {
            kind: {"value": each.equal_error_rate, "minDcf": each.min_dcf}
            for kind, each in equal_error_rates(everybody).items()
        },
        "decidedOn": {run.stranger or "everybody": _decided_on(run) for run in runs},
    }


def _by_point(runs: Sequence[Run], people: Sequence[str]) -> dict[str, dict[str, Rate]]:
    return {word: rates(runs, place, people) for place, word in enumerate(POINTS)}


def _decided_on(run: Run) -> str:
    normalized = run.asked[0].calibration.normalization == NORMALIZATION_AS_NORM
    return "AS-norm" if normalized else "cosine"


def draw(runs: Sequence[Run], people: Sequence[str], folder: Path) -> None:
    """Draws both charts."""
    draw_det(equal_error_rates(runs[-1]), folder / "det.png")
    draw_rates(_by_point(runs[:-1], people), folder / "rates.png")


def show(runs: Sequence[Run], people: Sequence[str], model: str) -> None:
    """Prints all figures."""
    console = Console(width=110)
    *with_stranger, everybody = runs
    console.print(f"{model}; {len(people)} people; intervals of 95 % by resampling people")
    first = rank_one(runs, people)
    console.print(f"best score is the right speaker's, at any threshold: {_told(first)}")
    for kind, each in equal_error_rates(everybody).items():
        eer, dcf = each.equal_error_rate, each.min_dcf
        console.print(f"{kind}: equal error rate {_told(eer)}, minDCF {dcf.value:.3f}")
    for title, some in (
        ("one of six is a stranger, each in turn", with_stranger),
        ("all six are enrolled", [everybody]),
    ):
        kinds = ", ".join(sorted({_decided_on(run) for run in some}))
        table = Table("", *POINTS, title=f"{title} (decided on {kinds})", title_justify="left")
        by_point = _by_point(some, people)
        for name in next(iter(by_point.values())):
            table.add_row(name, *(_told(by_point[point][name]) for point in POINTS))
        console.print(table)


def _told(rate: object) -> str:
    value, interval = rate.value, rate.interval
    told = f"{100 * value:.1f} %"
    if interval:
        told += f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    expected = getattr(rate, "expected", None)
    return told if expected is None else f"{told}, expected {100 * expected:.1f} %"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


if __name__ == "__main__":
    main()
