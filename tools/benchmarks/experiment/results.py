"""Keeps results on disk, step by step, so that a stopped run can continue."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tools.benchmarks.experiment import machine
from tools.benchmarks.experiment.settings import Settings
from tools.benchmarks.index_recall import say

NAME = "benchmark.json"
FORMAT = 2
SAME = ("format", "machine", "settings", "versions")
"""Keys that must be equal for a run to continue."""


class LeftOutError(Exception):
    """A step can't be measured here. The message says why."""


class Results:
    """The results of one machine and one choice of settings, in a folder's benchmark.json."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Loads the earlier results of the folder, if machine and settings are equal."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / NAME
        self.content: dict[str, Any] = {
            "format": FORMAT,
            "machine": machine.describe(),
            "settings": settings.to_json(),
            "versions": machine.versions(),
            "steps": {},
            "left_out": {},
        }
        self._take_on()

    def _take_on(self) -> None:
        if not self._path.exists():
            return
        found = read(self._path)
        if all(found.get(key) == self.content[key] for key in SAME):
            self.content["steps"] = found["steps"]
            self.content["left_out"] = found["left_out"]
            say(f"{self._path}: {len(found['steps'])} steps are done")
            return
        aside = self._path.with_name(f"benchmark-{int(self._path.stat().st_mtime)}.json")
        self._path.rename(aside)
        say(f"{self._path} was of other {', '.join(SAME[1:])}; it is now {aside.name}")

    def missing(self, names: Iterable[str]) -> list[str]:
        """Returns the steps that are not done."""
        return [name for name in names if name not in self.content["steps"]]

    def step(self, name: str, measure: Callable[[], Any]) -> None:
        """Measures a step, unless it is done, and writes its result."""
        if not self.missing([name]):
            say(f"{name}: done before")
            return
        say(f"{name}: measuring")
        start, load = time.monotonic(), os.getloadavg()[0]
        try:
            result = measure()
        except LeftOutError as error:
            self.leave_out(name, str(error))
            return
        took = time.monotonic() - start
        self.content["steps"][name] = {"result": result, "seconds": took, "load_before": load}
        self.content["left_out"].pop(name, None)
        say(f"{name}: done in {took:.0f} s")
        self._write()

    def leave_out(self, name: str, why: str) -> None:
        """Notes the reason for a missing result."""
        say(f"{name}: left out, {why}")
        self.content["left_out"][name] = why
        self._write()

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        part.replace(self._path)


def read(path: Path) -> dict[str, Any]:
    """Reads a benchmark.json. Raises SystemExit with advice if the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content) | {"steps": dict(content["steps"])}
    except (ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"{path} is no result of the benchmark: remove it ({error})") from None


def result(content: dict[str, Any], name: str) -> Any:
    """Returns the result of a step, or None if it is missing."""
    step = content["steps"].get(name)
    return step["result"] if step else None
