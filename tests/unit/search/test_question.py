"""The config of a search: what it may hold, and what it means."""

from __future__ import annotations

import math
from typing import Any

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.search_pb2 import DETAIL_CLIPS, SearchConfig
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.search import question
from serving.errors import Reason, ServiceError

PARENT = "libraries/a"


def read(**fields: Any) -> question.Question:
    """Reads a config."""
    return question.read(SearchConfig(parent=PARENT, **fields))


def condition(field: str, **test: Any) -> Condition:
    """A condition on one field."""
    return Condition(field=field, **test)


VALUES = Condition.Values(values=["x"])


@pytest.mark.parametrize(
    "fields",
    [
        {"k": 0},
        {"k": 1001},
        {"min_score": 1.5},
        {"min_score": math.nan},
        {"segments_per_match": 101},
        {"segments_per_match": -1},
        {"group_size": 101},
        {"detail": 9},
        {"group_by": "length"},
        {"group_by": "metadata."},
        {"group_by": "metadata." + "k" * 80},
        {"group_by": "metadata.a\nb"},
        {"group_by": "display_name"},
        {"more_libraries": ["b"]},
        {"more_libraries": [f"libraries/{number}" for number in range(16)]},
        {"filter": ClipFilter(state=Clip.STATE_FAILED)},
        {"filter": ClipFilter(state=9)},
        {"filter": ClipFilter(import_job="importJobs/1")},
        {"filter": ClipFilter(update_time_before=Timestamp(seconds=1))},
        {"filter": ClipFilter(enrolled_speaker="libraries/b/speakers/x")},
        {"filter": ClipFilter(enrolled_speaker="x")},
        {"filter": ClipFilter(label="x" * 256)},
        {"filter": ClipFilter(display_name_prefix="a\tb")},
        {"filter": ClipFilter(conditions=[condition("loudness", any_of=VALUES)])},
        {"filter": ClipFilter(conditions=[condition("label")])},
        {"filter": ClipFilter(conditions=[condition("metadata.a", contains="b")])},
        {"filter": ClipFilter(conditions=[condition("label", any_of=VALUES)] * 17)},
        {
            "filter": ClipFilter(
                conditions=[condition("duration", range=Condition.Range(minimum=2, maximum=1))]
            )
        },
    ],
    ids=str,
)
def test_what_can_not_be_is_refused(fields: dict[str, Any]) -> None:
    """Each with the field that is wrong."""
    with pytest.raises(ServiceError) as raised:
        read(**fields)
    assert raised.value.reason is Reason.FIELD_INVALID
    assert raised.value.metadata["field"]


def test_what_is_not_set_has_a_meaning() -> None:
    """Groups of one clip, three segments, no filter."""
    asked = read()
    assert (asked.group_by, asked.group_size, asked.segments) == ("clip", 1, 3)
    assert asked.least is None
    assert asked.scope.conditions == []
    assert read(detail=DETAIL_CLIPS, segments_per_match=5).segments == 0
    assert read(filter=ClipFilter(state=Clip.STATE_ACTIVE)).needs_windows == ""
    assert read(filter=ClipFilter(label="")).needs_windows == "a filter"
    assert read(group_by="metadata.key").needs_windows == "group_by"


def test_libraries_count_once() -> None:
    """The parent is the first of them."""
    assert read(more_libraries=["libraries/b", PARENT, "libraries/b"]).libraries == [
        PARENT,
        "libraries/b",
    ]


def clip(**fields: Any) -> Clip:
    """A clip of 2020."""
    return Clip(create_time=Timestamp(seconds=1_577_836_800, nanos=500_000_000), **fields)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (ClipFilter(), True),
        (ClipFilter(label="knife"), True),
        (ClipFilter(label=""), False),
        (ClipFilter(speaker=""), True),
        (ClipFilter(display_name_prefix="Kni"), True),
        (ClipFilter(display_name_prefix="kni"), False),
        (ClipFilter(display_name_prefix="wood"), False),
        (ClipFilter(enrolled_speaker="libraries/a/speakers/ann"), True),
        (ClipFilter(enrolled_speaker="libraries/a/speakers/bob"), False),
        (ClipFilter(create_time_from=Timestamp(seconds=1_577_836_800)), True),
        (
            ClipFilter(create_time_from=Timestamp(seconds=1_577_836_800, nanos=500_000_000)),
            True,
        ),
        (
            ClipFilter(create_time_before=Timestamp(seconds=1_577_836_800, nanos=500_000_000)),
            False,
        ),
        (
            ClipFilter(create_time_before=Timestamp(seconds=1_577_836_800, nanos=500_001_000)),
            True,
        ),
        (ClipFilter(conditions=[condition("display_name", contains="WOOD")]), True),
        (ClipFilter(label="knife", conditions=[condition("label", none_of=VALUES)]), True),
    ],
    ids=str,
)
def test_the_filter_means_what_that_of_a_list_means(wanted: ClipFilter, fits: bool) -> None:
    """Rows are looked at again, because the index may be late."""
    scope = read(filter=wanted).scope
    row = clip(
        label="knife",
        display_name="Knife on wood",
        enrolled_speaker="libraries/a/speakers/ann",
    )
    assert scope.fits(row) is fits
    assert not scope.empty


def test_a_time_before_its_begin_is_an_empty_filter() -> None:
    """It is no error in a list either."""
    time = Timestamp(seconds=1_577_836_800)
    assert read(filter=ClipFilter(create_time_from=time, create_time_before=time)).scope.empty
