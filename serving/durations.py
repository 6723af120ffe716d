"""Lengths of time in words. It imports nothing, because decoder processes import it."""

from __future__ import annotations

_MINUTE, _HOUR = 60, 3600


def in_words(seconds: float) -> str:
    """A length of time for people: in hours, minutes or seconds."""
    if seconds >= _HOUR:
        hours = f"{seconds / _HOUR:,.3g}"
        return f"{hours} hour{'' if hours == '1' else 's'}"
    return f"{seconds / _MINUTE:,.1f} minutes" if seconds >= _MINUTE else f"{seconds:.3g} s"
