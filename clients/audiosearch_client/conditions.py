"""Conditions on clips, for the filter of a search, of a list and of counts."""

from __future__ import annotations

from audiosearch.filter.v1.filter_pb2 import Condition


def any_of(field: str, *values: str, min_score: float = 0.0) -> Condition:
    """The value is one of these. An empty text stands for no label, no speaker and so on.

    `min_score` is for `tag` alone: the score from which on a tag counts.
    """
    return Condition(field=field, any_of=Condition.Values(values=values, min_score=min_score))


def none_of(field: str, *values: str, min_score: float = 0.0) -> Condition:
    """The value is none of these. `min_score` is that of `any_of`."""
    return Condition(field=field, none_of=Condition.Values(values=values, min_score=min_score))


def contains(field: str, text: str) -> Condition:
    """The value holds this text anywhere, in any case."""
    return Condition(field=field, contains=text)


def between(field: str, minimum: float | None = None, maximum: float | None = None) -> Condition:
    """The value is a number in this range, both ends included; None leaves an end open."""
    return Condition(field=field, range=Condition.Range(minimum=minimum, maximum=maximum))
