"""The cases of letters that a server is told of are all that there are."""

from __future__ import annotations

import sys

from catalog_service.database.functions import CASED
from serving.conditions import folded


def test_no_letter_behind_the_last_has_cases() -> None:
    """A newer Python, which knows more letters, would show here."""
    behind = "".join(map(chr, range(CASED, sys.maxunicode + 1)))
    assert folded(behind) == behind
