"""Names: of libraries, of their contents, of operations, and of the purposes of models."""

from __future__ import annotations

import re
from urllib.parse import unquote

from audiosearch.embedding.v1.model_pb2 import (
    PURPOSE_SOUNDS,
    PURPOSE_UNSPECIFIED,
    PURPOSE_VOICES,
    Purpose,
)

from serving.errors import Reason, ServiceError

CHOSEN_ID = r"[A-Za-z0-9_-]{1,63}"
"""Grammar of the ids that users choose: those of libraries and speakers."""
GIVEN_ID = r"[a-z0-9]{1,64}"
"""Grammar of the ids that the catalog gives: those of clips and import jobs."""

LIBRARY = rf"libraries/{CHOSEN_ID}"
"""Grammar of the name of a library. Those of the other resources follow."""
CLIP = rf"{LIBRARY}/clips/{GIVEN_ID}"
QUERY = rf"{LIBRARY}/queries/{GIVEN_ID}"
SPEAKER = rf"{LIBRARY}/speakers/{CHOSEN_ID}"
CALIBRATION = rf"{LIBRARY}/calibration"
MAP = rf"{LIBRARY}/map"
DUPLICATES = rf"{LIBRARY}/duplicates"
IMPORT_JOB = rf"importJobs/{GIVEN_ID}"
OPERATION = rf"operations/{GIVEN_ID}"
MODEL = r"models/[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
PURPOSES = {PURPOSE_VOICES: "voices", PURPOSE_SOUNDS: "sounds"}
"""The words for the purposes of models and libraries."""


def purpose_word(purpose: Purpose.ValueType) -> str:
    """A purpose in a word; empty for none."""
    return PURPOSES.get(purpose, "")


def purpose_named(text: str) -> Purpose.ValueType:
    """The purpose that a word, or a model's name of a word, stands for; none for other text."""
    for purpose, word in PURPOSES.items():
        if text in (word, f"models/{word}"):
            return purpose
    return PURPOSE_UNSPECIFIED


def _invalid(field: str, value: str, form: str) -> ServiceError:
    return ServiceError(
        Reason.FIELD_INVALID,
        f"{field}: {value[:100]!r} is not of the form {form}",
        {"field": field},
    )


def check_library(name: str, field: str = "parent") -> str:
    """Returns `name` if it is a library's name; raises FIELD_INVALID otherwise."""
    if not re.fullmatch(LIBRARY, name):
        raise _invalid(
            field, name, "libraries/{library}, {library} of 1 to 63 letters, digits, _ or -"
        )
    return name


def split_clip(name: str, field: str = "name") -> tuple[str, str]:
    """The library's name and the clip's id in a clip's name; FIELD_INVALID if it is none."""
    if not re.fullmatch(CLIP, name):
        raise _invalid(field, name, "libraries/{library}/clips/{clip}")
    library, _, clip = name.partition("/clips/")
    return library, clip


def library_of_query(name: str, field: str = "name") -> str:
    """The library's name in a query's name; FIELD_INVALID if it is none."""
    if not re.fullmatch(QUERY, name):
        raise _invalid(field, name, "libraries/{library}/queries/{query}")
    return name.partition("/queries/")[0]


def split_speaker(name: str, field: str = "name") -> tuple[str, str]:
    """The library's name and the {speaker} part in a speaker's name, or FIELD_INVALID."""
    if not re.fullmatch(SPEAKER, name):
        raise _invalid(
            field,
            name,
            "libraries/{library}/speakers/{speaker}, {speaker} of 1 to 63 letters, digits, _ or -",
        )
    library, _, speaker = name.partition("/speakers/")
    return library, speaker


def clip_within(library: str, name: str, field: str) -> str:
    """The id of a clip of the library of that name; FIELD_INVALID if it is none."""
    return _within(library, name, field, split_clip(name, field))


def query_within(library: str, name: str, field: str) -> None:
    """Raises FIELD_INVALID unless `name` is that of a query of the library of that name."""
    _within(library, name, field, (library_of_query(name, field), name))


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
    if not re.fullmatch(CALIBRATION, name):
        raise _invalid(field, name, "libraries/{library}/calibration")
    return name.removesuffix("/calibration")


def library_of_map(name: str, field: str = "name") -> str:
    """The library's name in a map's name; FIELD_INVALID if it is none."""
    if not re.fullmatch(MAP, name):
        raise _invalid(field, name, "libraries/{library}/map")
    return name.removesuffix("/map")


def library_of_duplicates(name: str, field: str = "name") -> str:
    """The library's name in the name of its duplicates; FIELD_INVALID if it is none."""
    if not re.fullmatch(DUPLICATES, name):
        raise _invalid(field, name, "libraries/{library}/duplicates")
    return name.removesuffix("/duplicates")


def import_job_of(operation: str) -> str:
    """`importJobs/{import_job}` for `operations/{import_job}`; FIELD_INVALID if it is none."""
    if not re.fullmatch(OPERATION, operation):
        raise _invalid("name", operation, "operations/{import_job}")
    return "importJobs/" + operation.removeprefix("operations/")


def operation_of(import_job: str) -> str:
    """`operations/{import_job}` for `importJobs/{import_job}`."""
    return "operations/" + import_job.removeprefix("importJobs/")


def last_part(uri: str) -> str:
    """The last part of the URI of audio, for people: the name of the file or the object."""
    name = uri.rpartition("/")[2]
    return unquote(name) if uri.startswith("file:") else name
