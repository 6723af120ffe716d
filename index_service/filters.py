"""The filter of a search, in Milvus' words.

It holds numbers, and ids that were checked, never a text of a caller.

Milvus 2.3 can't find a part of a text. So its filter looks for all characters of the part and all
its pairs of neighbouring ones, which lets few other texts through, and `Parts` drops those.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from audiosearch.filter.v1.filter_pb2 import Condition

from index_service import mirror
from index_service.store import Among
from serving.conditions import NUMBERS, TAG, WHOLE_SCORE, folded, metadata_key, thousandths, units

_LOOKED_FOR = 6  # parts of a text: each takes time, and few texts have these but not the others

_TENTH = WHOLE_SCORE // 10
_LEAST = mirror.NO_DURATION + 1
_GREATEST = sys.float_info.max


class Parts:
    """The conditions that a field contains a text, to be checked on rows that the filter found."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        """Takes the conditions of a search."""
        self._wanted = [
            (each.field, folded(each.contains))
            for each in conditions
            if each.WhichOneof("test") == "contains"
        ]

    def __bool__(self) -> bool:
        """Returns True if rows have to be checked."""
        return bool(self._wanted)

    def fit(self, folded_texts: str) -> bool:
        """Returns True if a row with these folded texts fits the conditions."""
        texts = json.loads(folded_texts)
        return all(part in texts[field] for field, part in self._wanted)


def expression(among: Among, *, lite: bool) -> str:
    """Returns the filter for these vectors; empty for all."""
    lists = {
        "id in": among.ids,
        "clip_id in": among.clip_ids,
        "clip_id not in": among.except_clip_ids,
    }
    tests = [f"{test} {quoted(ids)}" for test, ids in lists.items() if ids]
    tests += [_test(condition, lite=lite) for condition in among.conditions]
    return " and ".join(f"({test})" for test in tests)


def without_tags(among: Among) -> Among | None:
    """Returns what remains to be tested where no clip has tags; None if no clip fits."""
    remaining = []
    for condition in among.conditions:
        if condition.field != TAG:
            remaining.append(condition)
        elif condition.HasField("any_of") == ("" not in _values(condition)):
            return None
    return replace(among, conditions=remaining)


def _values(condition: Condition) -> Sequence[str]:
    return (condition.any_of if condition.HasField("any_of") else condition.none_of).values


def halves(narrowed: str) -> tuple[str, str]:
    """Returns filters that let through about half of the rows each, and together the same.

    Rows are parted by the hash of their display name, so those of one name are not.
    """
    middle = mirror.GREATEST_HASH // 2
    return (
        f"({narrowed}) and (display_name <= {middle})",
        f"({narrowed}) and (display_name > {middle})",
    )


def quoted(ids: Sequence[str]) -> str:
    """Returns a list of ids. They were checked to hold no character that ends a string."""
    return "[" + ",".join(f'"{one}"' for one in ids) + "]"


def _test(condition: Condition, *, lite: bool) -> str:
    test, key = condition.WhichOneof("test"), metadata_key(condition.field)
    if test == "contains":
        return _contains(condition.field, folded(condition.contains), lite=lite)
    if test == "range" and key is None:
        return _in_units(condition)
    if test == "range":
        return _numbers(f'$meta["{mirror.number_column(key or "")}"]', condition.range)
    if condition.field == TAG:
        return _tagged(condition, lite=lite)
    values = _values(condition)
    if key is None:
        hashes = sorted({mirror.hashed(value) for value in values})
        return f"{condition.field} {'in' if test == 'any_of' else 'not in'} {hashes}"
    has_any = _has("any", "metadata", {mirror.entry(key, value) for value in values}, lite=lite)
    return has_any if test == "any_of" else f"not ({has_any})"


def _tagged(condition: Condition, *, lite: bool) -> str:
    """Returns the test of tags. Scores are kept in tenths: it drops no row that fits."""
    wanted = condition.HasField("any_of")
    values = condition.any_of if wanted else condition.none_of
    least = thousandths(values.min_score)
    tenths = least // _TENTH if wanted else -(-least // _TENTH)
    entries = {mirror.tag_entry(name, tenths if name else 0) for name in values.values}
    has_any = _has("any", mirror.TAGS, entries, lite=lite)
    return has_any if wanted else f"not ({has_any})"


def _contains(field: str, text: str, *, lite: bool) -> str:
    pairs = mirror.pairs(text) or [text]
    some = pairs[:: -(-len(pairs) // _LOOKED_FOR)]
    return _has("all", "parts", {mirror.part(field, each) for each in some}, lite=lite)


def _has(many: str, column: str, values: Iterable[int], *, lite: bool) -> str:
    """Returns the test that a list holds any or all of these values."""
    if not lite:
        return f"array_contains_{many}({column}, {sorted(values)})"
    tests = [f'{column} like "%{mirror.token(value)}%"' for value in sorted(values)]
    return "(" + (" or " if many == "any" else " and ").join(tests) + ")"


def _in_units(condition: Condition) -> str:
    """Returns the test of a range of a field that is kept in whole units."""
    in_second, bounds = NUMBERS[condition.field], condition.range
    least = units(bounds.minimum, in_second) if bounds.HasField("minimum") else _LEAST
    test = f"{condition.field} >= {least}"
    if bounds.HasField("maximum"):
        test += f" and {condition.field} <= {units(bounds.maximum, in_second)}"
    return test


def _numbers(column: str, bounds: Condition.Range) -> str:
    """Returns the test of a range of a number in metadata. It fails for rows without it."""
    least = bounds.minimum if bounds.HasField("minimum") else -_GREATEST
    most = bounds.maximum if bounds.HasField("maximum") else _GREATEST
    return f"{column} >= {least!r} and {column} <= {most!r}"
