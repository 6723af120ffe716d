"""Conditions on clips: what is refused, and which clips fit."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties
from audiosearch.filter.v1.filter_pb2 import Condition
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from serving.conditions import check, check_counted, fits, folded, number
from serving.errors import Reason, ServiceError

CLIP = Clip(
    display_name="Küchenmesser 刀.WAV",
    label="knife",
    source="a/b\nc/1.wav",
    enrolled_speaker="libraries/l/speakers/anna",
    metadata={"take": "3", "mic": "", 'a"b.c\\': "x"},
    audio=AudioProperties(duration=Duration(seconds=2, nanos=500_000_000)),
    create_time=Timestamp(seconds=1_800_000_000, nanos=250_000_000),
)


def values(*texts: str) -> Condition.Values:
    """Some values."""
    return Condition.Values(values=texts)


def bounds(minimum: float | None = None, maximum: float | None = None) -> Condition.Range:
    """A range."""
    return Condition.Range(minimum=minimum, maximum=maximum)


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        (Condition(field="", any_of=values("x")), "[0].field"),
        (Condition(field="colour", any_of=values("x")), "[0].field"),
        (Condition(field="Label", any_of=values("x")), "[0].field"),
        (Condition(field="state", any_of=values("x")), "[0].field"),
        (Condition(field="metadata", any_of=values("x")), "[0].field"),
        (Condition(field="metadata.", any_of=values("x")), "[0].field"),
        (Condition(field="metadata." + "k" * 64, any_of=values("x")), "[0].field"),
        (Condition(field="metadata.a\nb", any_of=values("x")), "[0].field"),
        (Condition(field="label"), "[0].test"),
        (Condition(field="label", range=bounds(1)), "[0].test"),
        (Condition(field="duration", any_of=values("1")), "[0].test"),
        (Condition(field="duration", none_of=values("1")), "[0].test"),
        (Condition(field="create_time", contains="1"), "[0].test"),
        (Condition(field="label", any_of=values()), "[0].any_of.values"),
        (Condition(field="label", none_of=values(*"x" * 101)), "[0].none_of.values"),
        (Condition(field="label", any_of=values("y", "x" * 4097)), "[0].any_of.values[1]"),
        (Condition(field="label", any_of=values("a\0")), "[0].any_of.values[0]"),
        (Condition(field="label", contains=""), "[0].contains"),
        (Condition(field="label", contains="x" * 256), "[0].contains"),
        (Condition(field="label", contains="a\nb"), "[0].contains"),
        (Condition(field="duration", range=bounds(2, 1)), "[0].range.maximum"),
        (Condition(field="duration", range=bounds(float("nan"))), "[0].range.minimum"),
        (Condition(field="duration", range=bounds(0, float("nan"))), "[0].range.maximum"),
        (Condition(field="metadata.a", range=bounds(float("-inf"))), "[0].range.minimum"),
        (Condition(field="metadata.a", range=bounds(None, float("inf"))), "[0].range.maximum"),
    ],
)
def test_a_bad_condition_is_refused(condition: Condition, field: str) -> None:
    """The error names the part of the condition that is wrong."""
    with pytest.raises(ServiceError) as caught:
        check("filter.conditions", ClipFilter(conditions=[condition]))
    assert caught.value.reason is Reason.FIELD_INVALID
    assert caught.value.metadata["field"] == f"filter.conditions{field}"


def test_too_many_conditions_are_refused() -> None:
    """There may be as many as the contract says, and no more."""
    condition = Condition(field="label", any_of=values(""))
    check("c", ClipFilter(conditions=[condition] * 16))
    with pytest.raises(ServiceError, match="at most 16 conditions"):
        check("c", ClipFilter(conditions=[condition] * 17))


@pytest.mark.parametrize(
    ("fit", "field", "test"),
    [
        (True, "label", {"any_of": values("x", "knife")}),
        (False, "label", {"any_of": values("Knife", "knife ", "knif")}),
        (True, "speaker", {"any_of": values("")}),
        (False, "label", {"none_of": values("x", "knife")}),
        (True, "label", {"none_of": values("Knife")}),
        (True, "enrolled_speaker", {"any_of": values("anna")}),
        (True, "source", {"contains": "C/1.W"}),
        (True, "display_name", {"contains": "kÜCHEN"}),
        (True, "display_name", {"contains": "刀.wav"}),
        (False, "display_name", {"contains": "kuchen"}),
        (False, "display_name", {"contains": "%"}),
        (True, "metadata.mic", {"any_of": values("")}),
        (False, "metadata.gone", {"any_of": values("")}),
        (True, "metadata.gone", {"none_of": values("", "x")}),
        (False, "metadata.gone", {"contains": "x"}),
        (False, "metadata.gone", {"range": bounds()}),
        (True, 'metadata.a"b.c\\', {"any_of": values("x")}),
        (True, "metadata.take", {"range": bounds(3, 3)}),
        (False, "metadata.take", {"range": bounds(3.001)}),
        (True, "metadata.take", {"range": bounds()}),
        (False, "metadata.mic", {"range": bounds()}),
        (True, "duration", {"range": bounds(2.5, 2.5)}),
        (True, "duration", {"range": bounds(-1e300, 1e300)}),
        (False, "duration", {"range": bounds(2.500000001)}),
        (False, "duration", {"range": bounds(None, 2.499999999)}),
        (True, "create_time", {"range": bounds(1_800_000_000.25, 1_800_000_000.25)}),
        (False, "create_time", {"range": bounds(1_800_000_000.3)}),
    ],
)
def test_a_clip_fits_or_does_not(fit: bool, field: str, test: dict[str, Any]) -> None:
    """Texts are compared character by character; numbers as exactly as they are kept."""
    filter_ = ClipFilter(conditions=[Condition(field=field, **test)])
    check("conditions", filter_)
    assert fits(CLIP, filter_.conditions) is fit


def test_all_conditions_hold_together() -> None:
    """No condition at all fits every clip; a clip without audio has no duration."""
    label = Condition(field="label", any_of=values("knife"))
    speaker = Condition(field="speaker", none_of=values(""))
    assert fits(CLIP, [])
    assert fits(CLIP, [label, label])
    assert not fits(CLIP, [label, speaker])
    assert not fits(Clip(), [Condition(field="duration", range=bounds())])


def test_folding_keeps_parts_of_texts() -> None:
    """Of each character one stays one, whatever it is beside, and folding twice changes nothing."""
    for code in range(sys.maxunicode + 1):
        once, upper = folded(chr(code)), chr(code).upper()
        assert len(once) == 1
        assert folded(once) == once
        assert folded("ж" + chr(code)) == "ж" + once
        assert (
            folded(upper) == once
            or len(upper) > 1
            or chr(code) == "\N{LATIN SMALL LETTER DOTLESS I}"
        )
    assert folded("STRAẞE ΟΔΟΣ ĶÅſ") == folded("straße οδος ķåS")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-1.5", -1.5),
        ("+.5", 0.5),
        ("7.", 7),
        ("1e3", 1000),
        ("2.5E-2", 0.025),
        ("", None),
        (" 1", None),
        ("1\n", None),
        ("1,5", None),
        ("0x1f", None),
        ("1_000", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("9" * 101, None),
        ("\N{ARABIC-INDIC DIGIT ONE}", None),
        (".", None),
        ("1e", None),
    ],
)
def test_a_text_is_a_number_or_not(text: str, value: float | None) -> None:
    """Decimal digits, a point, an exponent; nothing that a programming language adds."""
    assert number(text) == value


def test_fields_that_can_be_counted() -> None:
    """Those of few values, and each of metadata."""
    for field in ("label", "speaker", "source", "enrolled_speaker", 'metadata.a"b'):
        assert check_counted("field", field) == field
    for field in ("", "display_name", "duration", "metadata.", "metadata", "metadata." + "k" * 64):
        with pytest.raises(ServiceError) as caught:
            check_counted("field", field)
        assert caught.value.reason is Reason.FIELD_INVALID
