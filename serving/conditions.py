"""Conditions on clips: their grammar, their limits, and the clips that fit them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from audiosearch.catalog.v1.clip_pb2 import Clip, ClipTags
from audiosearch.embedding.v1.embedding_pb2 import Tag
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.limits.v1.limits_pb2 import Limits
from google.protobuf.message import Message

from serving import limits
from serving.errors import Reason, ServiceError

TEXTS = ("label", "speaker", "source", "display_name", "enrolled_speaker")
"""Fields that are texts, but for those of metadata."""
NUMBERS = {"duration": 10**9, "create_time": 10**6}
"""Fields that are numbers of seconds, and the number of units in a second that each is exact to."""
TAG = "tag"
"""Field of the kinds of sound heard in a clip."""
COUNTED = ("label", "speaker", "source", "enrolled_speaker", TAG)
"""Fields whose values can be counted, but for those of metadata."""
MOST_TAGS = limits.of(ClipTags, "tags").max_items
"""Tags that are kept of a clip."""
LEAST_SCORE = 100
"""Lowest score of a tag that is kept, in thousandths."""
WHOLE_SCORE = 1000
"""Thousandths of the highest score."""
METADATA = "metadata."
"""Begin of the name of a field of metadata; its key follows."""

NUMBER = (
    r"[+-]?([0-9]{1,100}(\.[0-9]{0,100})?|\.[0-9]{1,100})([eE][+-]?[0-9]{1,2})?"  # never infinite
)
"""Grammar of a text that is a number."""
_NUMBER = re.compile(NUMBER)
_SHOWN = 80
_MOST_UNITS = 2**62


def check(field: str, holder: Message) -> None:
    """Checks the `conditions` of a message.

    Args:
        field: Path of the conditions in the request, such as `filter.conditions`, for the error.
        holder: The message that has them.

    Raises:
        ServiceError: FIELD_INVALID, which names the field.
    """
    conditions: list[Condition] = list(getattr(holder, "conditions"))  # noqa: B009  of any message
    most = limits.of(holder, "conditions").max_items
    if len(conditions) > most:
        raise _invalid(field, f"{len(conditions)} conditions", f"must be at most {most} conditions")
    for number, condition in enumerate(conditions):
        _check(f"{field}[{number}]", condition)


def check_counted(field: str, value: str) -> str:
    """Returns the name of a field if its values can be counted.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    key = metadata_key(value)
    if not (value in COUNTED if key is None else _is_key(key)):
        raise _invalid(field, value, f"must be {', '.join(COUNTED)} or {METADATA}{{key}}")
    return value


def metadata_key(field: str) -> str | None:
    """Returns the key in the name of a field of metadata; None for any other field."""
    return field.removeprefix(METADATA) if field.startswith(METADATA) else None


def fits(clip: Clip, conditions: Iterable[Condition]) -> bool:
    """Returns True if a clip fits all conditions. They have been checked."""
    return all(_fits(clip, condition) for condition in conditions)


def folded(text: str) -> str:
    """Returns a text without the difference of upper and lower case.

    Each character has one that stands for all its cases, so the length stays: a part of a text is
    a part of it, folded. Characters that are several in another case, such as `ß`, stay themselves.
    """
    return text.lower() if text.isascii() else text.translate(_FOLD)


def number(text: str) -> float | None:
    """Returns the number that a text is; None if it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def units(seconds: float, in_second: int) -> int:
    """Returns a bound in seconds in the units that a field is exact to."""
    most = _MOST_UNITS / in_second
    return round(min(max(seconds, -most), most) * in_second)


def thousandths(score: float) -> int:
    """Returns a score as it is kept and compared."""
    return round(score * WHOLE_SCORE)


def surest(tags: Iterable[Tag]) -> list[Tag]:
    """Returns the tags that are kept of those that a model gave, their scores rounded."""
    rounded = sorted((-thousandths(each.score), each.name) for each in tags)
    kept = [(name, -score) for score, name in rounded if -score >= LEAST_SCORE][:MOST_TAGS]
    return [Tag(name=name, score=score / WHOLE_SCORE) for name, score in kept]


class _Fold(dict[int, str]):
    """The folded character of each code point, found when it is first asked for.

    Those that stay themselves are not kept: there are a million of them, and 1,400 others.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        forms = (character.casefold(), character.lower(), character)
        found = next(form for form in forms if len(form) == 1)
        if found != character:
            self[code] = found
        return found


_FOLD = _Fold()


def _fits(clip: Clip, condition: Condition) -> bool:
    if condition.field in NUMBERS:
        return _in_units(clip, condition)
    if condition.field == TAG:
        return _tagged(clip, condition)
    return _compared(_text(clip, condition.field), condition)


def _compared(text: str | None, condition: Condition) -> bool:
    test = condition.WhichOneof("test")
    if text is None:
        return test == "none_of"
    if test == "any_of":
        return text in condition.any_of.values
    if test == "none_of":
        return text not in condition.none_of.values
    if test == "contains":
        return folded(condition.contains) in folded(text)
    value, bounds = number(text), condition.range
    return (
        value is not None
        and (not bounds.HasField("minimum") or value >= bounds.minimum)
        and (not bounds.HasField("maximum") or value <= bounds.maximum)
    )


def _tagged(clip: Clip, condition: Condition) -> bool:
    wanted = condition.HasField("any_of")
    values = condition.any_of if wanted else condition.none_of
    least = thousandths(values.min_score)
    names = {tag.name for tag in clip.tags if thousandths(tag.score) >= least}
    has_one = not names.isdisjoint(values.values) or ("" in values.values and not clip.tags)
    return has_one is wanted


def _in_units(clip: Clip, condition: Condition) -> bool:
    if condition.field == "create_time":
        value = clip.create_time.ToMicroseconds()
    elif clip.audio.HasField("duration"):
        value = clip.audio.duration.ToNanoseconds()
    else:
        return False
    in_second, bounds = NUMBERS[condition.field], condition.range
    return (not bounds.HasField("minimum") or value >= units(bounds.minimum, in_second)) and (
        not bounds.HasField("maximum") or value <= units(bounds.maximum, in_second)
    )


def _text(clip: Clip, field: str) -> str | None:
    key = metadata_key(field)
    if key is not None:
        return clip.metadata.get(key)
    if field == "enrolled_speaker":
        return clip.enrolled_speaker.rpartition("/")[2]
    return str(getattr(clip, field))


def _check(where: str, condition: Condition) -> None:
    _check_field(f"{where}.field", condition.field)
    test = condition.WhichOneof("test")
    ranged = condition.field in NUMBERS
    allowed: tuple[str, ...] = ("range",) if ranged else ("any_of", "none_of", "contains")
    if condition.field.startswith(METADATA):
        allowed = (*allowed, "range")
    if condition.field == TAG:
        allowed = ("any_of", "none_of")
    if test not in allowed:
        rule = f"must be one of {', '.join(allowed)} for {condition.field}"
        raise _invalid(f"{where}.test", test or "not set", rule)
    if test == "range":
        _check_range(f"{where}.range", condition.range)
    elif test == "contains":
        _check_text(f"{where}.contains", condition.contains, limits.of(condition, "contains"))
    else:
        values = condition.any_of if test == "any_of" else condition.none_of
        _check_values(f"{where}.{test}.values", values)
        _check_score(f"{where}.{test}.min_score", values, tagged=condition.field == TAG)


def _check_field(where: str, field: str) -> None:
    key = metadata_key(field)
    if not (field in (*TEXTS, *NUMBERS, TAG) if key is None else _is_key(key)):
        rule = f"must be {', '.join((*TEXTS, *NUMBERS, TAG))} or {METADATA}{{key}}"
        raise _invalid(where, field, rule)


def _is_key(key: str) -> bool:
    most = limits.of(Clip, "metadata").max_key_length
    return 1 <= len(key) <= most and not limits.CONTROL.search(key)


def _check_range(where: str, bounds: Condition.Range) -> None:
    for name in ("minimum", "maximum"):
        if not math.isfinite(getattr(bounds, name)):
            raise _invalid(f"{where}.{name}", getattr(bounds, name), "must be a finite number")
    both = bounds.HasField("minimum") and bounds.HasField("maximum")
    if both and bounds.maximum < bounds.minimum:
        rule = f"must be {bounds.minimum} or more, as the minimum"
        raise _invalid(f"{where}.maximum", bounds.maximum, rule)


def _check_values(where: str, values: Condition.Values) -> None:
    limit = limits.of(values, "values")
    if not limit.min_items <= len(values.values) <= limit.max_items:
        rule = f"must be {limit.min_items} to {limit.max_items} values"
        raise _invalid(where, f"{len(values.values)} values", rule)
    for number_, value in enumerate(values.values):
        _check_text(f"{where}[{number_}]", value, limit)


def _check_score(where: str, values: Condition.Values, *, tagged: bool) -> None:
    limit = limits.of(values, "min_score")
    if not limit.minimum <= values.min_score <= limit.maximum:
        rule = f"must be from {limit.minimum:g} to {limit.maximum:g}"
        raise _invalid(where, values.min_score, rule)
    if values.min_score and not tagged:
        raise _invalid(where, values.min_score, f"must be 0, as it is for {TAG} alone")


def _check_text(where: str, text: str, limit: Limits) -> None:
    if not limit.min_length <= len(text) <= limit.max_length:
        rule = f"must be {limit.min_length} to {limit.max_length} characters"
        raise _invalid(where, text, rule)
    if limit.form == Limits.FORM_LINE and limits.CONTROL.search(text):
        raise _invalid(where, repr(text), "must have no control characters")
    if "\0" in text:
        raise _invalid(where, repr(text), "must have no character of code 0")


def _invalid(field: str, value: object, rule: str) -> ServiceError:
    shown = str(value) if len(str(value)) <= _SHOWN else f"{str(value)[:_SHOWN]}..."
    return ServiceError(
        Reason.FIELD_INVALID,
        f"{field} {rule}, not {shown!r}",
        {"field": field, "value": shown, "limit": rule},
    )
