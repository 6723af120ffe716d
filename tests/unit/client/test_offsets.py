"""Places in a recording as people read and type them."""

from __future__ import annotations

import pytest
from audiosearch_client.offsets import range_of, seconds_of, told, told_range
from google.protobuf.duration_pb2 import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("70", 70), ("1:10", 70), ("01:10.5", 70.5), ("90:00", 5400), ("1:02:03", 3723), (" 0 ", 0)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    """As seconds, minutes or hours."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1:60", "1:60:00", "1:2:3:4", "1:", ":1", "nan"])
def test_other_texts_are_no_times(text: str) -> None:
    """Each is named in the error."""
    with pytest.raises(ValueError, match=r"no time|60 or more"):
        seconds_of(text)


def test_parts_are_read() -> None:
    """Either end may be left out."""
    both = range_of("1:10-1:30")
    assert (both.start_offset.seconds, both.end_offset.seconds) == (70, 90)
    assert not range_of("1:10-").HasField("end_offset")
    assert range_of("-1:30").start_offset.seconds == 0


@pytest.mark.parametrize("text", ["", "-", "70", "1:30-1:10", "5-5", "1-2-3"])
def test_other_texts_are_no_parts(text: str) -> None:
    """Also a part that ends before it begins."""
    with pytest.raises(ValueError, match=r"no part|before it begins|no time"):
        range_of(text)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        *((0, "00:00"), (72_000, "01:12"), (59_600, "01:00"), (3_599_400, "59:59")),
        *((3_600_000, "1:00:00"), (3_599_500, "1:00:00"), (7_384_000, "2:03:04")),
        *((-4_500, "-00:04"), (-72_000, "-01:12"), (-400, "00:00")),
    ],
)
def test_offsets_are_told(milliseconds: int, text: str) -> None:
    """In whole seconds, with hours from one hour on."""
    offset = Duration()
    offset.FromMilliseconds(milliseconds)
    assert told(offset) == text


def test_parts_are_told() -> None:
    """From one to the other."""
    assert told_range(Duration(seconds=70), Duration(seconds=90)) == "01:10-01:30"
