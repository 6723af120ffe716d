"""Limits of fields, read from the contracts."""

from __future__ import annotations

from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.limits.v1.limits_pb2 import Limits

from serving import limits
from tests.contracts import services


def test_a_text_is_cut_to_the_limit_of_its_field() -> None:
    """A text that fits stays whole."""
    most = limits.of(Clip, "display_name").max_length
    assert limits.cut(Clip, "display_name", "x" * (most + 1)) == "x" * most
    assert limits.cut(Clip, "display_name", "x" * most) == "x" * most


def test_a_line_has_no_control_characters() -> None:
    """They become blanks, and stay where a text may have them."""
    name = "new\nline\x85.flac"
    assert limits.cut(Clip, "display_name", name) == "new line .flac"
    assert limits.cut(Clip, "source", name) == name


def test_a_field_without_limits_has_empty_ones() -> None:
    """Every bound of it is unset."""
    assert limits.of(ClipFilter, "state") == Limits()


def test_bounds_are_in_order() -> None:
    """The least is never more than the most, in any message of the services."""
    found = 0
    left = [
        method.input_type
        for name in ("gateway", "catalog")
        for each in services(name)
        for method in each.methods
    ]
    seen = set()
    while left:
        message = left.pop()
        if message.full_name in seen or not message.full_name.startswith("audiosearch."):
            continue
        seen.add(message.full_name)
        for field in message.fields:
            limit = limits.limits(field)
            found += limit != Limits()
            assert not limit.max_length or limit.min_length <= limit.max_length, field.full_name
            assert not limit.max_items or limit.min_items <= limit.max_items, field.full_name
            if limit.HasField("minimum") and limit.HasField("maximum"):
                assert limit.minimum <= limit.maximum, field.full_name
            if field.message_type:
                left.append(field.message_type)
    assert found > 20
