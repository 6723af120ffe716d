"""Resource names of libraries, of their contents, and of operations."""

from __future__ import annotations

import re

from serving.errors import Reason, ServiceError

_LIBRARY = re.compile(r"libraries/[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_CLIP = re.compile(r"(libraries/[A-Za-z0-9][A-Za-z0-9_-]{0,62})/clips/([a-z0-9]{1,64})")
_SPEAKER = re.compile(
    r"(libraries/[A-Za-z0-9][A-Za-z0-9_-]{0,62})/speakers/([A-Za-z0-9][A-Za-z0-9_-]{0,62})"
)
_CALIBRATION = re.compile(r"(libraries/[A-Za-z0-9][A-Za-z0-9_-]{0,62})/calibration")
_MAP = re.compile(r"(libraries/[A-Za-z0-9][A-Za-z0-9_-]{0,62})/map")
_OPERATION = re.compile(r"operations/([a-z0-9]{1,64})")


def _invalid(field: str, value: str, form: str) -> ServiceError:
    return ServiceError(
        Reason.FIELD_INVALID,
        f"{field}: {value[:100]!r} is not of the form {form}",
        {"field": field},
    )


def check_library(name: str, field: str = "parent") -> str:
    """Returns `name` if it is a library's name; raises FIELD_INVALID otherwise."""
    if not _LIBRARY.fullmatch(name):
        raise _invalid(
            field, name, "libraries/{library}, {library} of 1 to 63 letters, digits, _ or -"
        )
    return name


def split_clip(name: str, field: str = "name") -> tuple[str, str]:
    """The library's name and the clip's id in a clip's name; FIELD_INVALID if it is none."""
    match = _CLIP.fullmatch(name)
    if not match:
        raise _invalid(field, name, "libraries/{library}/clips/{clip}")
    return match[1], match[2]


def split_speaker(name: str, field: str = "name") -> tuple[str, str]:
    """The library's name and the {speaker} part in a speaker's name, or FIELD_INVALID."""
    match = _SPEAKER.fullmatch(name)
    if not match:
        raise _invalid(
            field,
            name,
            "libraries/{library}/speakers/{speaker}, {speaker} of 1 to 63 letters, digits, _ or -",
        )
    return match[1], match[2]


def clip_within(library: str, name: str, field: str) -> str:
    """The id of a clip of the library of that name; FIELD_INVALID if it is none."""
    return _within(library, name, field, split_clip(name, field))


def speaker_within(library: str, name: str, field: str) -> str:
    """The {speaker} part in the name of a speaker of that library, or FIELD_INVALID."""
    return _within(library, name, field, split_speaker(name, field))


def _within(library: str, name: str, field: str, parts: tuple[str, str]) -> str:
    if parts[0] != library:
        raise ServiceError(
            Reason.FIELD_INVALID, f"{field}: {name} is not in {library}", {"field": field}
        )
    return parts[1]


def library_of_calibration(name: str, field: str = "name") -> str:
    """The library's name in a calibration's name; FIELD_INVALID if it is none."""
    match = _CALIBRATION.fullmatch(name)
    if not match:
        raise _invalid(field, name, "libraries/{library}/calibration")
    return match[1]


def library_of_map(name: str, field: str = "name") -> str:
    """The library's name in a map's name; FIELD_INVALID if it is none."""
    match = _MAP.fullmatch(name)
    if not match:
        raise _invalid(field, name, "libraries/{library}/map")
    return match[1]


def import_job_of(operation: str) -> str:
    """`importJobs/{import_job}` for `operations/{import_job}`; FIELD_INVALID if it is none."""
    match = _OPERATION.fullmatch(operation)
    if not match:
        raise _invalid("name", operation, "operations/{import_job}")
    return f"importJobs/{match[1]}"


def operation_of(import_job: str) -> str:
    """`operations/{import_job}` for `importJobs/{import_job}`."""
    return "operations/" + import_job.removeprefix("importJobs/")
