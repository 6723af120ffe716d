"""The tests, shared out among processes that run beside each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

WAITING = 2
"""Processes for each processor: most of the time most tests wait for something."""

BYTES = 3 * 2**30
"""Memory for a process, with the stack and the servers that it starts."""

MANY = 80
"""Tests of a group that is begun with: one process is busy with it for most of the time."""

FIRST = (
    "tests/end_to_end",
    "tests/browser",
    "tests/rest",
    "tests/installs",
    "tests/benchmarks",
    "tests/chaos",
    "tests/conformance/index",
    "tests/clients",
    "tests/deploy",
    "tests/docs",
    "tests/conformance/catalog",
    "tests/contract",
)
"""The longest work to start with, so that no process has much left to do alone in the end."""

FACTORIES = {"start", "start_milvus"}
"""Fixtures that start something new at each call: nothing of it is shared."""


def processes() -> int:
    """The number of processes that this machine has room for."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(WAITING * (os.cpu_count() or 1), memory // BYTES))


def plan(items: list[pytest.Item]) -> None:
    """Puts long work first, and marks tests that have to run in one process.

    Tests that share a fixture of their file or folder do: it is started once. So do those of a file
    that share none.
    """
    groups: dict[tuple[str, ...], tuple[str, ...]] = {}

    def head(key: tuple[str, ...]) -> tuple[str, ...]:
        while (above := groups.setdefault(key, key)) != key:
            key = above
        return key

    for item in items:
        first, *others = _shared(item)
        for other in others:
            groups[head(other)] = head(first)
    names = {item: "/".join(head(next(_shared(item)))) for item in items}
    sizes = Counter(names.values())
    items.sort(key=lambda item: (sizes[names[item]] < MANY, _place(item)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(names[item]))


def without_group(nodeid: str) -> str:
    """The name of a test, after which pytest-xdist writes that of its group."""
    name, mark, group = nodeid.rpartition("@")
    return name if mark and "]" not in group else nodeid


def _place(item: pytest.Item) -> int:
    places = (n for n, folder in enumerate(FIRST) if item.nodeid.startswith(f"{folder}/"))
    return next(places, len(FIRST))


def _shared(item: pytest.Item) -> Iterator[tuple[str, ...]]:
    """The things that a test shares: fixtures of its file or folder, or else its file."""
    file = item.nodeid.partition("::")[0]
    found = {
        name: fixtures[-1]
        for name, fixtures in item._fixtureinfo.name2fixturedefs.items()  # type: ignore[attr-defined]
        if fixtures[-1].scope != "function" and name not in FACTORIES
    }
    given = item.callspec.params if hasattr(item, "callspec") else {}
    kinds = tuple(str(given[name]) for name in sorted(found) if name in given)
    shared = [name for name, fixture in found.items() if fixture.scope != "session"]
    for name in shared:
        yield file if found[name].scope == "module" else found[name].baseid, name, *kinds
    if not shared:
        yield (file,)
