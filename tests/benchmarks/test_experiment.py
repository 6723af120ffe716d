"""The benchmark as a user runs it, in its quick mode: the files that it writes, never its speed."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tools.benchmarks.experiment import page
from tools.benchmarks.experiment.end_to_end import DEMO_STEPS, STEPS
from tools.benchmarks.experiment.growth import COSTS
from tools.benchmarks.experiment.results import Results, read
from tools.benchmarks.experiment.run import steps_of
from tools.benchmarks.experiment.settings import Part, Settings
from tools.servers.debian import require
from tools.servers.milvus_server import install

QUICK = Settings.chosen(None, "servers", quick=True)
PEERS = {"search/hnswlib", "search/faiss", "end-to-end/demo"}
"""May be missing: the tests do not install them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a quick run, made after a run of the embedding alone."""
    require({"mariadbd": "mariadb-server"})
    install()
    path = tmp_path_factory.mktemp("benchmark")
    benchmark(path, "--parts", "embedding")
    first = read(path / "benchmark.json")
    assert set(first["steps"]) == {"embedding"}
    benchmark(path)
    assert read(path / "benchmark.json")["steps"]["embedding"] == first["steps"]["embedding"]
    return path


def benchmark(folder: Path, *arguments: str) -> str:
    """Runs the benchmark and returns its output."""
    program = [sys.executable, "-m", "tools.benchmarks.experiment"]
    done = subprocess.run(
        [*program, "--quick", "--output", folder, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def steps(folder: Path) -> dict[str, Any]:
    """The result of each step."""
    content = read(folder / "benchmark.json")
    return {name: step["result"] for name, step in content["steps"].items()}


pytestmark = [pytest.mark.server, pytest.mark.timeout(1800)]


def test_every_step_is_done_or_left_out_with_a_word(folder: Path, steps: dict[str, Any]) -> None:
    """Only peers that are not installed may be left out."""
    wanted = set(steps_of([part.value for part in Part], QUICK))
    assert wanted - set(steps) <= PEERS
    left_out = read(folder / "benchmark.json")["left_out"]
    assert wanted - set(steps) <= set(left_out)
    assert all("not installed" in why for why in left_out.values())


def test_a_second_run_measures_nothing(folder: Path, steps: dict[str, Any]) -> None:
    """Results that are there stay unchanged."""
    before = (folder / "benchmark.json").read_bytes()
    names = steps_of([part.value for part in Part], QUICK)
    missing = [name for name in names if name not in steps]
    # Steps that were left out are tried again each time, so they are not asked for here.
    parts = [part.value for part in Part if not _any_of(part.value, missing)]
    said = benchmark(folder, *(word for part in parts for word in ("--parts", part)))
    assert f"0 of {len(steps_of(parts, QUICK))} steps" in said
    assert (folder / "benchmark.json").read_bytes() == before


def _any_of(part: str, names: list[str]) -> bool:
    return any(name.partition("/")[0] == part for name in names)


def test_curves_are_curves(steps: dict[str, Any]) -> None:
    """Shares lie from 0 to 1, more effort finds no less, a median is below its 99th percentile."""
    curves = [step for name, step in steps.items() if name.startswith("search/")]
    curves = [curve for curve in curves if "points" in curve]
    assert len(curves) >= 3
    for curve in curves:
        recalls = [point["recall"] for point in curve["points"]]
        assert all(0 < recall <= 1 for recall in recalls)
        assert all(after >= before - 0.02 for before, after in itertools.pairwise(recalls))
        assert recalls[-1] > 0.9
        for point in curve["points"]:
            assert 0 < point["p50_ms"] <= point["p99_ms"]
            for rate in ("one_caller_a_second", "at_once_a_second", "together_a_second"):
                assert point[rate] > 0


def test_a_search_is_split_into_its_steps(steps: dict[str, Any]) -> None:
    """All of them take time, and together as long as a search."""
    one = steps["end-to-end"]["one"]
    assert set(one["steps_p50_ms"]) == {*STEPS, "whole"}
    assert all(spent > 0 for spent in one["steps_p50_ms"].values())
    parts = sum(one["steps_p50_ms"][name] for name in STEPS)
    assert math.isclose(parts, one["steps_p50_ms"]["whole"], rel_tol=0.5)
    assert steps["end-to-end"]["many"]["callers"] == 16
    if beside := steps.get("end-to-end/demo"):
        assert set(beside["demo"]["steps_p50_ms"]) == set(DEMO_STEPS)
        assert beside["share"] > 0


def test_clips_come_in_and_are_found(steps: dict[str, Any]) -> None:
    """Every clip of the import, and each upload by the first search after it."""
    assert steps["ingest"]["import"]["clips"] == QUICK.clips
    assert steps["ingest"]["import"]["share_of_encoder"] > 0
    assert steps["ingest"]["upload"]["found_by_the_first_search"] == 1


def test_long_recordings_come_in(steps: dict[str, Any]) -> None:
    """Short clips have a vector each, long recordings one for each window."""
    measured = steps["segments"]
    assert measured["vectors_of_short_clips"] == measured["short_clips"]
    windows = (QUICK.long_seconds - 3) / 1.5 + 1
    assert measured["vectors"] == measured["recordings"] * math.ceil(windows)
    assert measured["share_of_encoder"] > 0
    assert measured["index_mib_an_hour"] > 0


def test_narrowed_and_grouped_searches_find_what_is_there(steps: dict[str, Any]) -> None:
    """The index of a quick run is FLAT, and so exact."""
    for step in ("search/filtered", "search/grouped"):
        measured = steps[step]
        assert len(measured) >= 7
        recalls = [each["recall"] for each in measured.values() if "recall" in each]
        assert len(recalls) >= 3
        assert min(recalls) > 0.99
        assert all(0 < each["p50_ms"] <= each["p99_ms"] for each in measured.values())


def test_growth_is_measured_at_three_sizes(folder: Path, steps: dict[str, Any]) -> None:
    """At a sixty-fifth, a sixth and the whole; the report has a line for each cost."""
    assert [steps[f"growth/{size}"]["rows"] for size in QUICK.sizes] == list(QUICK.sizes)
    table = (folder / "benchmark.md").read_text(encoding="utf-8")
    assert all(f"| {cost} |" in table for cost in COSTS)
    assert "| computed, not measured | 10,000,000 clips | 1,000,000,000 clips |" in table


def test_charts_are_drawn(folder: Path, steps: dict[str, Any]) -> None:
    """Four, as PNG files."""
    for name in ("search", "embedding", "end_to_end", "growth"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_can_be_written_from_it(folder: Path, steps: dict[str, Any]) -> None:
    """The table has the measurements and the machine."""
    content = read(folder / "benchmark.json")
    written = page.section(content)
    assert f"{QUICK.rows:,}" in written
    assert content["machine"]["processor"] in written


def test_results_of_other_settings_are_put_aside(tmp_path: Path) -> None:
    """They are kept under another name; those of the same settings are gone on with."""
    Results(tmp_path, QUICK).step("one", lambda: 1)
    Results(tmp_path, QUICK).step("one", lambda: pytest.fail("done before"))
    other = Results(tmp_path, Settings(rows=2000))
    other.step("one", lambda: 2)
    found = sorted(
        json.loads(path.read_text())["steps"]["one"]["result"] for path in tmp_path.iterdir()
    )
    assert found == [1, 2]
