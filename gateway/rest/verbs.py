"""Paths that end in a name, or in a name and a verb: `{speaker:id}:enroll`."""

from __future__ import annotations

from starlette.convertors import StringConvertor, register_url_convertor


class _Id(StringConvertor):
    """The last part of a name, without a verb behind it."""

    regex = "[^/:]+"


def know_verbs() -> None:
    """Lets the paths of routes name such a part `id`; to be called before they are made."""
    register_url_convertor("id", _Id())
