"""The duplicates of a library by REST: as the contracts name things."""

from __future__ import annotations

import time

from audiosearch.gateway.v1.duplicates_pb2 import Duplicates
from google.protobuf import json_format

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest


def test_duplicates_are_asked_for_until_they_are_ready(rest: Rest, filled: str) -> None:
    """Then their tag is enough to hear that nothing has changed."""
    path, until = f"/v1/libraries/{filled}/duplicates", time.monotonic() + 90
    while (found := rest.http.get(path).json())["state"] != "STATE_READY":
        assert time.monotonic() < until, found
        time.sleep(0.25)
    message = json_format.ParseDict(found, Duplicates())
    assert (message.clip_count, message.group_count) == (20, 0)  # alike, but no copies
    again = rest.http.get(path, params={"etag": found["etag"]}).json()
    assert (again["etag"], again["groups"]) == (found["etag"], [])


def test_what_is_wrong_with_duplicates_is_told(rest: Rest, library: str) -> None:
    """No such library, no such page, no such parameter."""
    refused(rest.http.get("/v1/libraries/nobody/duplicates"), 404, Reason.LIBRARY_NOT_FOUND)
    path = f"/v1/libraries/{library}/duplicates"
    for query in ({"pageToken": "other:1"}, {"least": "3"}):
        refused(rest.http.get(path, params=query), 400, Reason.FIELD_INVALID)
