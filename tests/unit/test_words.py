"""The language of docstrings and comments: each sentence has a noun or a verb at its head."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "catalog_service",
    "clients",
    "gateway",
    "scoring",
    "serving",
    "embedding_service",
    "index_service",
    "tools",
    "deploy",
    "protos/audiosearch/catalog",
    "protos/audiosearch/embedding",
    "protos/audiosearch/gateway",
    "protos/audiosearch/index",
)
"""Folders whose Python, contracts, scripts and style sheets are read."""

RIDDLE = re.compile(
    r"(?:\A|[.!?]\s+|\n\s*\n\s*|\n\s*-\s+)((?:Who|Whose|Whom|Whoever|What|Whatever|Whether|Where|How)\b.*)"
)
"""A sentence that begins like a question, at the start of a text, a paragraph or an item."""


def riddles(text: str) -> list[str]:
    """The sentences of a text that begin like questions, up to the end of their line."""
    return RIDDLE.findall(text)


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings and runs of comments of a module, with their lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str):
                yield node.lineno, text
    lines = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    yield from _runs(lines)


def proto_texts(source: str) -> Iterator[tuple[int, str]]:
    """Runs of comments of a contract, with their lines."""
    lines = {
        number: found[1]
        for number, line in enumerate(source.splitlines(), 1)
        if (found := re.fullmatch(r"\s*//\s?(.*)", line))
    }
    yield from _runs(lines)


def script_texts(source: str) -> Iterator[tuple[int, str]]:
    """Comments of JavaScript and of style sheets, with their lines."""
    for found in re.finditer(r"/\*[\s*]*(.*?)\s*\*/|(?<!:)//\s?([^\n]*)", source, re.DOTALL):
        text = re.sub(r"\n\s*\*\s?", "\n", found[1] or found[2] or "")
        yield source.count("\n", 0, found.start()) + 1, text


def _runs(lines: dict[int, str]) -> Iterator[tuple[int, str]]:
    """Comments on consecutive lines joined to one text."""
    run: list[str] = []
    for number, line in lines.items():
        run.append(line)
        if number + 1 not in lines:
            yield number + 1 - len(run), "\n".join(run)
            run = []


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_sentence_begins_like_a_question(folder: str) -> None:
    """Docstrings and comments say `True if ...` or `The ...`, not `Whether ...` or `What ...`."""
    found = []
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix == ".py" and not path.stem.endswith(("_pb2", "_pb2_grpc")):
            texts = python_texts(path.read_text("utf-8"))
        elif path.suffix == ".proto":
            texts = proto_texts(path.read_text("utf-8"))
        elif path.suffix in {".js", ".css"}:
            texts = script_texts(path.read_text("utf-8"))
        else:
            continue
        place = path.relative_to(ROOT)
        found += [f"{place}:{line}: {each}" for line, text in texts for each in riddles(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "Whether it is.",
        "What it is.",
        "A noun.\n\n    Where it is, it stays.",
        "It goes. Who asks\nis told.",
        "Cases:\n\n- A case.\n- How long it takes.",
    ],
)
def test_a_sentence_like_a_question_is_found(text: str) -> None:
    """At the start of a text, a sentence, a paragraph and an item of a list."""
    assert len(riddles(text)) == 1


def test_a_question_within_a_sentence_is_none() -> None:
    """Only how a sentence begins counts."""
    assert (
        riddles("It says what it is, and where. A sentence\nWhere lines break does not count.")
        == []
    )


def test_docstrings_and_comments_are_read() -> None:
    """Attributes' docstrings and comments of several lines too, but no other strings."""
    source = '"""What."""\nx = 1\n"""Who."""\n# Where it\n# is. How so.\ny = "Whether"\n'
    texts = list(python_texts(source))
    assert [line for line, _ in texts] == [1, 3, 4]
    assert [riddle for _, text in texts for riddle in riddles(text)] == [
        "What.",
        "Who.",
        "Where it",
        "How so.",
    ]
    assert list(proto_texts("syntax;\n  // What it\n  // is.\nmessage A {}\n")) == [
        (2, "What it\nis.")
    ]
    script = '/**\n * Who it\n * is.\n */\nf("http://x");  // Where.\n'
    assert list(script_texts(script)) == [(1, "Who it\nis."), (5, "Where.")]
