"""The cores that a process may use, and the runs that share them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from embedding_service.network.cores import quota, runs_by_rule, usable_cores


@pytest.mark.parametrize(("threads", "runs"), [(1, 1), (2, 1), (3, 3), (4, 4), (16, 8), (64, 8)])
def test_runs_by_the_number_of_threads(threads: int, runs: int) -> None:
    """One for each of more than two threads, up to a bound for memory."""
    assert runs_by_rule(threads) == runs


def test_the_cores_of_this_machine() -> None:
    """At least one."""
    assert usable_cores() >= 1


def groups(folder: Path, own: str, **files: str) -> float:
    """The quota that these files of a machine allow; `__` stands for `/` in their names."""
    for name, text in files.items():
        path = folder / "groups" / name.replace("__", "/").replace("cpu_max", "cpu.max")
        path = path.with_name(path.name.replace("cfs_", "cpu.cfs_"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return quota(folder / "own", folder / "groups")


def test_the_quota_of_a_container(tmp_path: Path) -> None:
    """That of the group, or the least of those around it."""
    limits = {"pod__cpu_max": "350000 100000\n", "pod__one__cpu_max": "max 100000\n"}
    assert groups(tmp_path, "0::/pod/one\n", **limits) == 3.5
    inner = {"pod__one__cpu_max": "50000 100000\n"}
    assert groups(tmp_path, "0::/pod/one\n", **inner) == 0.5


def test_the_quota_where_only_the_own_group_is_mounted(tmp_path: Path) -> None:
    """As most containers see it, whatever the machine calls the group."""
    assert groups(tmp_path, "0::/kubepods/a/b\n", cpu_max="400000 100000\n") == 4


def test_the_quota_of_older_groups(tmp_path: Path) -> None:
    """Version 1 has two files; -1 is no limit."""
    own = "5:memory:/a\n4:cpu,cpuacct:/a\n0::/\n"
    files = {"cpu,cpuacct__a__cfs_quota_us": "150000", "cpu,cpuacct__a__cfs_period_us": "100000"}
    assert groups(tmp_path, own, **files) == 1.5
    assert groups(tmp_path, own, **{"cpu,cpuacct__a__cfs_quota_us": "-1"}) == math.inf


@pytest.mark.parametrize("own", ["", "nonsense\n", "0::/a/b\n", "a:b"])
def test_no_quota(tmp_path: Path, own: str) -> None:
    """Without groups, or where they say nothing that is understood."""
    assert groups(tmp_path, own, a__cpu_max="lots\n") == math.inf
    assert quota(tmp_path / "none", tmp_path / "none") == math.inf
