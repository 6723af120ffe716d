"""The web client's files: which may import which, how many lie in a folder, how long lines are."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from graphlib import TopologicalSorter

import pytest

from tests.conftest import REPOSITORY

WEB = REPOSITORY / "clients/audiosearch_web"
FLOORS = {"strings": 0, "core": 1, "parts": 2, "clips": 3, "start": 3}
PAGES, TOP = 4, 5
MOST_FILES = 25
MOST_COLUMNS = 100
FROM_PACKAGES = {"wavesurfer.min.js"}


def floor(path: str) -> int:
    """The floor of a file: those above may import those below."""
    folder, _, name = path.rpartition("/")
    return FLOORS.get(folder, PAGES) if folder and name else TOP


def imports() -> dict[str, set[str]]:
    """The modules that each module names, by their paths within the web client."""
    found = {}
    for path in WEB.rglob("*.js"):
        folder = path.relative_to(WEB).parent
        named = re.findall(r'(?:from|import) ?\(?"(\.{1,2}/[^"]+)"', path.read_text("utf-8"))
        targets = {posixpath.normpath(posixpath.join(folder, target)) for target in named}
        found[path.relative_to(WEB).as_posix()] = targets - FROM_PACKAGES
    return found


def test_modules_import_what_lies_below_them() -> None:
    """Strings, core, parts, what pages share, pages, app: never upwards or to another page."""
    for module, targets in imports().items():
        for target in targets:
            same_folder = posixpath.dirname(module) == posixpath.dirname(target)
            assert same_folder or floor(target) < floor(module), f"{module} imports {target}"


def test_modules_form_no_circle() -> None:
    """Each can be read after those that it imports."""
    tuple(TopologicalSorter(imports()).static_order())


def test_folders_can_be_looked_over() -> None:
    """No folder has more files than a person takes in."""
    counts = Counter(path.parent for path in WEB.rglob("*") if path.suffix in {".css", ".js"})
    assert max(counts.values()) <= MOST_FILES, counts.most_common(1)


@pytest.mark.parametrize("kind", ["js", "css", "html"])
def test_lines_can_be_read_side_by_side(kind: str) -> None:
    """The formatter leaves long strings as they are: those are parted by hand."""
    long = [
        f"{path.relative_to(WEB)}:{number}"
        for path in sorted(WEB.rglob(f"*.{kind}"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > MOST_COLUMNS
    ]
    assert not long
