"""Every block of code in the README and docs/ runs, or its page says why it doesn't."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local_stack import LocalStack
from tests.conftest import REPOSITORY
from tests.docs import recordings
from tests.docs.pages import CHINESE, PAGES, Block, blocks, tokens
from tests.docs.shell import Shell
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import start
from tests.unit.test_words import riddles

RUN = {"sh", "python"}
SHOWN = {"text", "json"}
"""Answers and pictures. JSON must be some."""

NOTEBOOKS = sorted((REPOSITORY / "docs").rglob("*.ipynb"))
DRAWING = ("_repr_html_", "_repr_svg_")

CURL = "fail-with-body\nmax-time = 120\nshow-error\nsilent\n"
"""Settings of curl in addition to a page's own: a refused call is a failure."""


@dataclass(frozen=True)
class Ground:
    """A stack and a folder with recordings, which it may import from."""

    stack: LocalStack
    folder: Path

    def here(self, text: str) -> str:
        """A block's text with the addresses of this stack in place of the usual ones."""
        text = text.replace("localhost:50050", self.stack.target)
        return text.replace("localhost:8002", self.stack.addresses.rest_target)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The stack and folders that all pages share."""
    folder = tmp_path_factory.mktemp("docs")
    made, pages = folder / "made", folder / "pages"
    recordings.make(made)
    pages.mkdir()
    (folder / ".curlrc").write_text(CURL)
    roots = os.pathsep.join(map(str, (made / "sounds", pages)))
    models = "voices,sounds"
    with start(folder, AUDIOSEARCH_IMPORT_ROOTS=roots, AUDIOSEARCH_MODELS=models) as running:
        yield Ground(running.stack, folder)


@pytest.fixture
def place(page: Path, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own for a page, from which nothing is left in the stack."""
    folder = ground.folder / "pages" / page.stem
    shutil.copytree(ground.folder / "made", folder)
    monkeypatch.chdir(folder)
    yield folder
    command = partial(run, AUDIOSEARCH_TARGET=ground.stack.target)
    for library in json.loads(command("library", "list", "--json").stdout)["libraries"]:
        command("library", "delete", library["name"].rpartition("/")[2], "--force")


def environment(ground: Ground) -> dict[str, str]:
    """That of somebody who has activated the environment, and has the stack's address."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AUDIOSEARCH_")}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AUDIOSEARCH_TARGET": ground.stack.target,
        "CURL_HOME": str(ground.folder),
        "COLUMNS": "160",
    }


def runnable(page: Path) -> list[Block]:
    """The blocks of a page that are run."""
    return [each for each in blocks(page) if each.language in RUN and not each.reason]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if runnable(page)], ids=lambda page: page.stem
)
def test_what_a_page_shows_works(page: Path, ground: Ground, place: Path) -> None:
    """Block by block, each with what those before it have left."""
    names: dict[str, object] = {}
    with Shell(place, environment(ground)) as shell:
        for block in runnable(page):
            text = ground.here(block.text)
            if block.language == "python":
                exec(compile(text, block.place, "exec"), names)  # noqa: S102  a page's own code
            else:
                done, printed = shell.run(text)
                assert done, f"{block.place}:\n{block.text}\n{printed[-3000:]}"
                assert "Traceback" not in printed, f"{block.place}:\n{printed[-3000:]}"


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebook_runs(page: Path, ground: Ground, place: Path) -> None:
    """Cell by cell; what stands at the end of a cell is drawn as a notebook draws it."""
    names: dict[str, Any] = {}
    drawn = []
    for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert not cell["outputs"], "outputs would be out of date soon"
        code = ast.parse(ground.here("".join(cell["source"])), page.name)
        shown = code.body.pop() if isinstance(code.body[-1], ast.Expr) else None
        exec(compile(code, page.name, "exec"), names)  # noqa: S102  a notebook's own code
        if isinstance(shown, ast.Expr):
            value = eval(compile(ast.Expression(shown.value), page.name, "eval"), names)  # noqa: S307  the same
            drawn += [getattr(value, name)() for name in DRAWING if hasattr(value, name)]
    for wanted in ("<progress", "<table", "<audio", "<svg"):
        assert any(wanted in text for text in drawn), f"{page.name} draws no {wanted}"


@pytest.mark.parametrize("page", [*PAGES, CHINESE], ids=lambda page: page.stem)
def test_a_block_runs_or_says_why_not(page: Path) -> None:
    """A block of another language can't be run here, so it needs a reason, too."""
    for block in blocks(page):
        assert block.language in RUN | SHOWN or block.reason, (
            f"{block.place}: a block of {block.language or 'no language'} is not run: write "
            "<!-- not run: REASON --> above it"
        )
        assert not (block.language in SHOWN and block.reason), f"{block.place}: it is only shown"
        if block.language == "json":
            json.loads(block.text)


def test_the_chinese_readme_has_the_same_commands() -> None:
    """Only their comments are translated."""
    english, chinese = (
        [re.sub(r"\s*#.*", "", block.text) for block in blocks(page) if block.language in RUN]
        for page in (PAGES[0], CHINESE)
    )
    assert english == chinese


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_sentence_begins_like_a_question(page: Path) -> None:
    """Headings may."""
    read = tokens(page)
    texts = [
        token.content
        for before, token in itertools.pairwise(read)
        if token.type == "inline" and before.type != "heading_open"
    ]
    assert [riddle for text in texts for riddle in riddles(text)] == []


def test_the_places_to_change_are_there() -> None:
    """Contributors find each file and folder that their page names."""
    (page,) = (page for page in PAGES if page.stem == "contributing")
    spans = [child for token in tokens(page) for child in token.children or ()]
    named = [span.content for span in spans if span.type == "code_inline"]
    places = [name for name in named if re.fullmatch(r"[\w.]+(/[\w.]+)+", name)]
    assert len(places) > 20
    homes = [REPOSITORY, REPOSITORY / "clients" / "audiosearch_web"]
    lost = [name for name in places if not any((home / name).exists() for home in homes)]
    assert lost == []


def _anchors(page: Path) -> set[str]:
    """Returns the targets of links in a page: its headings, as GitHub writes them."""
    found, heading = set(), False
    for token in tokens(page):
        if heading:
            words = re.sub(r"[^\w\- ]", "", token.content.lower())
            found.add(words.replace(" ", "-"))
        heading = token.type == "heading_open"
    return found


def _links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        for child in token.children or ():
            yield str(child.attrs.get("href") or child.attrs.get("src") or "")
            yield from re.findall(r'src="([^"]+)"', child.content if "html" in child.type else "")


@pytest.mark.parametrize("page", [*PAGES, CHINESE], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the project, and to a heading of it."""
    for link in filter(None, _links(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in _anchors(target), f"{page.name}: {link}"
