"""Pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
CHINESE = REPOSITORY / "README_cn.md"
_REASON = re.compile(r"<!-- not run: (\S.*) -->\s*")
_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    reason: str
    """Why it is not run, as the page says above it; empty if it says nothing."""

    @property
    def place(self) -> str:
        """The page and line, as editors take them."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def tokens(page: Path) -> list[Token]:
    """Parses a page of Markdown."""
    return _PARSER.parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    reason = ""
    for token in tokens(page):
        if token.type == "fence" and token.map:
            yield Block(page, token.map[0] + 1, token.info.strip(), token.content, reason)
        told = _REASON.fullmatch(token.content) if token.type == "html_block" else None
        reason = told[1] if told else ""
