"""Names of resources, such as `libraries/{library}/clips/{clip}`, and the ids in them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from ulid import ULID

from catalog_service.fields import invalid
from serving.names import CALIBRATION, CHOSEN_ID, CLIP, IMPORT_JOB, LIBRARY, MODEL, QUERY, SPEAKER

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_LENGTH = 10
_ENDS = [high + low for high in _DIGITS for low in _DIGITS]
_ULID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")


class ClipName(NamedTuple):
    """The two ids in the name of a clip."""

    library: str
    clip: str

    def __str__(self) -> str:
        """Returns the name."""
        return clip_name(self.library, self.clip)


class QueryName(NamedTuple):
    """The two ids in the name of a query."""

    library: str
    query: str

    def __str__(self) -> str:
        """Returns the name."""
        return query_name(self.library, self.query)


class SpeakerName(NamedTuple):
    """The two ids in the name of a speaker."""

    library: str
    speaker: str

    def __str__(self) -> str:
        """Returns the name."""
        return speaker_name(self.library, self.speaker)


def new_id(now: datetime) -> str:
    """Returns a ULID of this time in lower case: 26 characters that sort by time of creation."""
    return str(ULID.from_datetime(now)).lower()


def new_ids(now: datetime, count: int) -> list[str]:
    """Returns at most 1,024 ids: one ULID with two counting characters at its end.

    Two of the random characters make room, the first two: ULIDs of one millisecond count up at
    their end, so without their last two they would be the same.
    """
    made = new_id(now)
    stem = made[:_TIME_LENGTH] + made[_TIME_LENGTH + 2 :]
    return [stem + end for end in _ENDS[:count]]


def first_id(time: datetime) -> str:
    """Returns the lowest id of the millisecond of this time. Times before 1970 count as 1970."""
    milliseconds = max(0, (time - _EPOCH) // timedelta(milliseconds=1))
    return str(ULID.from_bytes(milliseconds.to_bytes(6, "big") + bytes(10))).lower()


def is_ulid(text: str) -> bool:
    """Returns True if the text has the form of the catalog's ids."""
    return bool(_ULID.fullmatch(text))


def library_name(library: str) -> str:
    """Returns the name of a library."""
    return f"libraries/{library}"


def clip_name(library: str, clip: str) -> str:
    """Returns the name of a clip."""
    return f"libraries/{library}/clips/{clip}"


def query_name(library: str, query: str) -> str:
    """Returns the name of a query."""
    return f"libraries/{library}/queries/{query}"


def speaker_name(library: str, speaker: str) -> str:
    """Returns the name of a speaker."""
    return f"libraries/{library}/speakers/{speaker}"


def calibration_name(library: str) -> str:
    """Returns the name of a library's calibration."""
    return f"libraries/{library}/calibration"


def import_job_name(job: str) -> str:
    """Returns the name of an import job."""
    return f"importJobs/{job}"


def check_id(field: str, text: str) -> str:
    """Returns the id if a library or a speaker can have it. Raises FIELD_INVALID if not."""
    if not re.fullmatch(CHOSEN_ID, text):
        raise invalid(field, text, "must be 1 to 63 of the characters A-Z a-z 0-9 _ -")
    return text


def check_uid(field: str, text: str) -> str:
    """Returns the id if it has the form of the catalog's ids. Raises FIELD_INVALID if not."""
    if not is_ulid(text):
        raise invalid(field, text, "must be a uid that this catalog gave")
    return text


def check_model(field: str, text: str) -> str:
    """Returns the name if it is one of a model. Raises FIELD_INVALID if not."""
    if not re.fullmatch(MODEL, text):
        raise invalid(field, text, "must be a model's name, models/{model}")
    return text


def parse_library(field: str, text: str) -> str:
    """Returns the {library} part of a library's name. Raises FIELD_INVALID for other text."""
    if not re.fullmatch(LIBRARY, text):
        raise invalid(field, text, "must be a library's name, libraries/{library}")
    return text.removeprefix("libraries/")


def parse_clip(field: str, text: str) -> ClipName:
    """Returns the ids in a clip's name. Raises FIELD_INVALID for other text."""
    if not re.fullmatch(CLIP, text):
        raise invalid(field, text, "must be a clip's name, libraries/{library}/clips/{clip}")
    _, library, _, clip = text.split("/")
    return ClipName(library, clip)


def parse_query(field: str, text: str) -> QueryName:
    """Returns the ids in a query's name. Raises FIELD_INVALID for other text."""
    if not re.fullmatch(QUERY, text):
        raise invalid(field, text, "must be a query's name, libraries/{library}/queries/{query}")
    _, library, _, query = text.split("/")
    return QueryName(library, query)


def parse_speaker(field: str, text: str) -> SpeakerName:
    """Returns the ids in a speaker's name. Raises FIELD_INVALID for other text."""
    if not re.fullmatch(SPEAKER, text):
        raise invalid(
            field, text, "must be a speaker's name, libraries/{library}/speakers/{speaker}"
        )
    _, library, _, speaker = text.split("/")
    return SpeakerName(library, speaker)


def parse_calibration(field: str, text: str) -> str:
    """Returns the {library} part of a calibration's name. Raises FIELD_INVALID for other text."""
    if not re.fullmatch(CALIBRATION, text):
        raise invalid(field, text, "must be a calibration's name, libraries/{library}/calibration")
    return text.split("/")[1]


def parse_import_job(field: str, text: str) -> str:
    """Returns the {import_job} part of a job's name. Raises FIELD_INVALID for other text."""
    if not re.fullmatch(IMPORT_JOB, text):
        raise invalid(field, text, "must be an import job's name, importJobs/{import_job}")
    return text.removeprefix("importJobs/")


def check_import_job(field: str, text: str) -> str:
    """Returns the id in the name of a job of this catalog. Raises FIELD_INVALID for other text."""
    job = parse_import_job(field, text)
    if not is_ulid(job):
        raise invalid(field, text, "must be the name of an import job that this catalog made")
    return job
