"""The map and the status by REST: as the contracts name things."""

from __future__ import annotations

import time

from audiosearch.gateway.v1.library_map_pb2 import LibraryMap
from audiosearch.gateway.v1.system_status_pb2 import SystemStatus
from google.protobuf import json_format

from serving.errors import Reason
from tests.end_to_end.guarded import Guarded
from tests.rest.answers import refused
from tests.rest.conftest import Rest, client


def test_a_map_is_asked_for_until_it_is_ready(rest: Rest, filled: str) -> None:
    """Then its tag is enough to hear that nothing has changed."""
    path, until = f"/v1/libraries/{filled}/map", time.monotonic() + 90
    while (found := rest.http.get(path).json())["state"] != "STATE_READY":
        assert time.monotonic() < until, found
        time.sleep(0.25)
    message = json_format.ParseDict(found, LibraryMap())
    assert len(message.points) == found["sampledCount"] == 20
    assert set(found["points"][0]) == {
        "clip", "x", "y", "label", "speaker", "displayName", "duration",
    }  # fmt: skip
    again = rest.http.get(path, params={"etag": found["etag"]}).json()
    assert (again["etag"], again["points"]) == (found["etag"], [])


def test_what_is_wrong_with_a_map_is_told(rest: Rest, library: str) -> None:
    """No such library, no such page, no such parameter."""
    refused(rest.http.get("/v1/libraries/nobody/map"), 404, Reason.LIBRARY_NOT_FOUND)
    path = f"/v1/libraries/{library}/map"
    for query in ({"pageToken": "other:1"}, {"zoom": "3"}):
        refused(rest.http.get(path, params=query), 400, Reason.FIELD_INVALID)


def test_the_status_is_told(rest: Rest) -> None:
    """Services, stores, models and searches."""
    found = rest.http.get("/v1/status")
    assert found.status_code == 200
    status = json_format.ParseDict(found.json(), SystemStatus())
    assert [each.service for each in status.services] == [
        "gateway",
        "embedding",
        "index",
        "catalog",
    ]
    assert {each["state"] for each in found.json()["services"]} == {"STATE_SERVING"}
    refused(rest.http.get("/v1/status", params={"deep": "1"}), 400, Reason.FIELD_INVALID)


def test_both_need_a_key_and_the_map_a_right(guarded: Guarded) -> None:
    """As over gRPC."""
    with client(guarded.stack, guarded.authority.ca) as http:
        for path in ("/v1/status", "/v1/libraries/open/map"):
            refused(http.get(path), 401, Reason.KEY_MISSING)
        stranger = {"x-api-key": guarded.keys["stranger"]}
        assert http.get("/v1/status", headers=stranger).status_code == 200
        missing = http.get("/v1/libraries/open/map", headers=stranger)
        refused(missing, 403, Reason.RIGHT_MISSING)
