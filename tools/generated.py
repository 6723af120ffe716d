"""Writes the generated sections of pages in docs/, between two marks."""

from __future__ import annotations

import sys
from pathlib import Path

from tools import REPOSITORY

DOCS = REPOSITORY / "docs"
BEGIN = "<!-- generated: `make docs` writes what follows -->"
END = "<!-- generated: end -->"


def with_section(page: Path, section: str) -> str:
    """Returns a page with its section replaced. Raises SystemExit if it lacks the marks."""
    text = page.read_text(encoding="utf-8")
    if not (text.count(BEGIN) == text.count(END) == 1):
        sys.exit(f"{page} must hold these two lines once: {BEGIN} and {END}")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def write(page: Path, section: str) -> None:
    """Writes the section of a page."""
    page.write_text(with_section(page, section), encoding="utf-8")
