"""A filter of clips, as conditions for the index and for the rows of the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.filter.v1.filter_pb2 import Condition
from google.protobuf.timestamp_pb2 import Timestamp

from serving import conditions, limits
from serving.errors import Reason, ServiceError
from serving.names import speaker_within

_STATES = (Clip.STATE_UNSPECIFIED, Clip.STATE_ACTIVE)
_FIELD = "config.filter"
_UNKNOWN = "a search knows no such condition; ListClips does"
_MICROSECOND = 1e-6
"""Seconds that times are exact to."""


@dataclass(frozen=True)
class Filter:
    """Clips to search among."""

    conditions: Sequence[Condition] = ()
    """For the index, whose mirror of the clips may be late."""

    name_prefix: str = ""
    """Begin of the display name, which the index can't look for."""

    empty: bool = False
    """True if no clip can fit."""

    def fits(self, clip: Clip) -> bool:
        """True for the row of a clip that fits."""
        return clip.display_name.startswith(self.name_prefix) and conditions.fits(
            clip, self.conditions
        )


def read(parent: str, value: ClipFilter) -> Filter:
    """Reads the filter of a search in the library of that name.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    _check(value)
    found = []
    if value.HasField("label"):
        found.append(_equal("label", _line(value, "label")))
    if value.HasField("speaker"):
        found.append(_equal("speaker", _line(value, "speaker")))
    if value.enrolled_speaker:
        speaker = speaker_within(parent, value.enrolled_speaker, f"{_FIELD}.enrolled_speaker")
        found.append(_equal("enrolled_speaker", speaker))
    prefix = _line(value, "display_name_prefix")
    if prefix:
        found.append(Condition(field="display_name", contains=prefix))
    times = _times(value)
    if times.ByteSize():
        found.append(Condition(field="create_time", range=times))
    return Filter([*found, *value.conditions], prefix, _is_empty(times))


def _check(value: ClipFilter) -> None:
    """Raises FIELD_INVALID for conditions that no search knows."""
    if value.state not in _STATES:
        raise _refused("state", "searches find ACTIVE clips alone; leave it out")
    if value.HasField("update_time_before"):
        raise _refused("update_time_before", _UNKNOWN)
    if value.import_job:
        raise _refused("import_job", _UNKNOWN)
    conditions.check(f"{_FIELD}.conditions", value)
    for number, condition in enumerate(value.conditions):
        if condition.HasField("contains") and conditions.metadata_key(condition.field) is not None:
            raise _refused(f"conditions[{number}].test", "a search knows no `contains` of metadata")


def _line(value: ClipFilter, name: str) -> str:
    text: str = getattr(value, name)
    most = limits.of(value, name).max_length
    if len(text) > most:
        raise _refused(name, f"{len(text):,} characters; at most {most:,} are allowed")
    if limits.CONTROL.search(text):
        raise _refused(name, "it must have no control characters")
    return text


def _equal(field: str, value: str) -> Condition:
    return Condition(field=field, any_of=Condition.Values(values=[value]))


def _times(value: ClipFilter) -> Condition.Range:
    bounds = Condition.Range()
    if value.HasField("create_time_from"):
        bounds.minimum = _seconds(value.create_time_from)
    if value.HasField("create_time_before"):
        bounds.maximum = _seconds(value.create_time_before) - _MICROSECOND
    return bounds


def _seconds(time: Timestamp) -> float:
    return time.seconds + time.nanos / 1e9


def _is_empty(bounds: Condition.Range) -> bool:
    both = bounds.HasField("minimum") and bounds.HasField("maximum")
    return both and bounds.maximum < bounds.minimum


def _refused(field: str, why: str) -> ServiceError:
    path = f"{_FIELD}.{field}"
    return ServiceError(Reason.FIELD_INVALID, f"{path}: {why}", {"field": path})
