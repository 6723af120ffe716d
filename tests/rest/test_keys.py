"""API keys over REST: who may do what, on a stack that speaks TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from serving.errors import Reason
from tests.end_to_end.guarded import Guarded
from tests.rest.answers import refused
from tests.rest.conftest import client
from tests.rest.sounds import wav


@pytest.fixture(scope="module")
def http(guarded: Guarded) -> Iterator[httpx.Client]:
    """A client without a key."""
    with client(guarded.stack, guarded.authority.ca) as made:
        yield made


def bearer(guarded: Guarded, name: str) -> dict[str, str]:
    """The header of a key by its name."""
    return {"authorization": f"Bearer {guarded.keys[name]}"}


def test_every_documented_route_needs_a_key(guarded: Guarded, http: httpx.Client) -> None:
    """None is forgotten: without one, and with one that is unknown."""
    document = http.get("/openapi.json", headers=bearer(guarded, "operator")).json()
    assert document["security"]
    for path, methods in document["paths"].items():
        for method in methods:
            real = path.replace("{library}", "open")
            for name in ("{clip}", "{speaker}", "{operation}", "{model}"):
                real = real.replace(name, "x")
            answer = http.request(method, real)
            refused(answer, 401, Reason.KEY_MISSING)
            assert answer.headers["www-authenticate"] == "Bearer"
            unknown = {"authorization": "Bearer " + "x" * 40}
            refused(http.request(method, real, headers=unknown), 401, Reason.KEY_INVALID)


@pytest.mark.parametrize(
    "header",
    [
        {"authorization": "Basic b3BlcmF0b3I6"},
        {"authorization": "Bearer"},
        {"authorization": ""},
        {"x-api-key": ""},
        {"cookie": "key=x"},
    ],
)
def test_what_is_no_key_counts_as_none(http: httpx.Client, header: dict[str, str]) -> None:
    """KEY_MISSING."""
    refused(http.get("/v1/models", headers=header), 401, Reason.KEY_MISSING)


def test_a_key_may_come_in_either_header_and_never_in_the_address(
    guarded: Guarded, http: httpx.Client
) -> None:
    """Addresses end up in logs."""
    key = guarded.keys["reader"]
    assert http.get("/v1/models", headers={"x-api-key": key}).status_code == 200
    assert http.get("/v1/models", headers={"authorization": f"bearer {key}"}).status_code == 200
    refused(http.get("/v1/models", params={"key": key}), 401, Reason.KEY_MISSING)


WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/libraries/open/clips", {"content": wav("sword_clash")}),
    ("POST", "/v1/libraries/open/clips", {"files": {"audio": wav("sword_clash")}}),
    ("POST", "/v1/libraries/open/clips:import", {"json": {"folder": "/etc"}}),
    ("PATCH", "/v1/libraries/open/clips/x?updateMask=label", {"json": {"label": "x"}}),
    ("DELETE", "/v1/libraries/open/clips/x", {}),
    ("POST", "/v1/libraries/open/speakers/x:enroll", {"content": wav("voice_low")}),
    ("POST", "/v1/libraries/open/speakers/x:enroll", {"files": {"audio": wav("voice_low")}}),
    ("POST", "/v1/libraries/open/speakers/x:removeEnrollments", {"json": {"clips": ["x"]}}),
    ("PATCH", "/v1/libraries/open/speakers/x", {"json": {"displayName": "x"}}),
    ("DELETE", "/v1/libraries/open/speakers/x", {}),
    ("POST", "/v1/libraries/open:calibrate", {}),
    ("PATCH", "/v1/libraries/open/calibration", {"json": {"operatingPoint": {}}}),
    ("DELETE", "/v1/libraries/open/calibration", {}),
    ("PATCH", "/v1/libraries/open?updateMask=displayName", {"json": {"displayName": "x"}}),
    ("DELETE", "/v1/libraries/open?force=true", {}),
    ("POST", "/v1/libraries?libraryId=open", {"json": {}}),
]


@pytest.mark.parametrize(("method", "path", "options"), WRITES)
def test_a_reader_changes_nothing(
    guarded: Guarded, http: httpx.Client, method: str, path: str, options: dict[str, Any]
) -> None:
    """RIGHT_MISSING, whether what is named is there or not."""
    for who in ("reader", "stranger", "auditor"):
        answer = http.request(method, path, headers=bearer(guarded, who), **options)
        assert refused(answer, 403, Reason.RIGHT_MISSING)["library"] == "libraries/open"


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/v1/libraries/closed", {}),
        ("GET", "/v1/libraries/closed/clips", {}),
        ("GET", "/v1/libraries/closed/map", {}),
        ("GET", "/v1/libraries/closed/clips/x/audio", {}),
        ("POST", "/v1/libraries/closed/clips:search", {"content": wav()}),
        ("POST", "/v1/libraries/closed/clips:streamSearch", {"content": wav()}),
        ("GET", "/v1/libraries/closed/speakers", {}),
        ("GET", "/v1/libraries/closed/speakers/x", {}),
        ("POST", "/v1/libraries/closed/speakers/x:verify", {"content": wav()}),
        ("POST", "/v1/libraries/closed/speakers:identify", {"content": wav()}),
        ("GET", "/v1/libraries/closed/calibration", {}),
        ("GET", "/v1/operations?name=libraries/closed", {}),
        ("GET", "/v1/libraries/never-made", {}),
    ],
)
def test_what_a_key_may_not_read_it_does_not_see(
    guarded: Guarded, http: httpx.Client, method: str, path: str, options: dict[str, Any]
) -> None:
    """The answer is the same for a library that is not there."""
    answer = http.request(method, path, headers=bearer(guarded, "reader"), **options)
    refused(answer, 403, Reason.RIGHT_MISSING)


def test_lists_show_what_a_key_may_read(guarded: Guarded, http: httpx.Client) -> None:
    """Nothing of the other libraries."""
    found = {}
    for who in ("reader", "both", "stranger", "auditor"):
        page = http.get("/v1/libraries", headers=bearer(guarded, who)).json()
        found[who] = [library["name"] for library in page["libraries"]]
    assert found["reader"] == ["libraries/open"]
    assert found["both"] == ["libraries/closed", "libraries/open"]
    assert found["stranger"] == []
    assert {"libraries/closed", "libraries/open"} <= set(found["auditor"])


def test_the_status_tells_no_key_of_the_searches_of_others(
    guarded: Guarded, http: httpx.Client
) -> None:
    """Those in libraries that it may not read."""
    found = http.post(
        "/v1/libraries/closed/clips:search", headers=bearer(guarded, "operator"), content=wav()
    )
    assert found.is_success
    for who, seen in (("operator", True), ("both", True), ("reader", False), ("stranger", False)):
        status = http.get("/v1/status", headers=bearer(guarded, who))
        assert ("libraries/closed" in status.text) is seen, who


def test_a_writer_writes(guarded: Guarded, http: httpx.Client) -> None:
    """Uploads, hears, changes, deletes; and does not manage."""
    headers = bearer(guarded, "writer")
    made = http.post("/v1/libraries/open/clips", headers=headers, content=wav("voice_low", 5))
    path = "/v1/" + made.json()["clip"]["name"]
    assert http.get(path + "/audio", headers=headers).content == wav("voice_low", 5)
    changed = http.patch(path, headers=headers, json={"label": "low"})
    assert changed.json()["label"] == "low"
    assert http.delete(path, headers=headers).status_code == 200
    where = "/v1/libraries/open/speakers/low"
    made = http.post(where + ":enroll", headers=headers, content=wav("voice_low", 5))
    assert made.json()["speaker"]["enrollmentCount"] == 1
    assert http.delete(where + "?deleteClips=true", headers=headers).status_code == 200
    refused(http.delete("/v1/libraries/open", headers=headers), 403, Reason.RIGHT_MISSING)
    for verb in (":calibrate", "/calibration"):
        method = "DELETE" if verb == "/calibration" else "POST"
        answer = http.request(method, "/v1/libraries/open" + verb, headers=headers)
        refused(answer, 403, Reason.RIGHT_MISSING)


def test_probes_need_no_key_and_tell_nothing(http: httpx.Client) -> None:
    """/healthz."""
    answer = http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "SERVING"})


def test_no_key_and_no_sound_is_in_the_log(guarded: Guarded, http: httpx.Client) -> None:
    """The log has the route alone, and of a call that failed the clip that it was about."""
    for path in ("models?view=secretname", "libraries/open/clips/named"):
        http.get(f"/v1/{path}", headers=bearer(guarded, "reader"))
    text = guarded.log.read_text()
    assert "GET /v1/models" in text
    assert "secretname" not in text
    assert "GET /v1/libraries/{library}/clips/{clip}" in text
    assert '"clip": "libraries/open/clips/named"' in text
    assert not [name for name, key in guarded.keys.items() if key in text]
