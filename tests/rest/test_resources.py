"""Libraries, clips and models over REST: what can be done, and how it fails."""

from __future__ import annotations

from typing import Any

import pytest

from serving.errors import Reason
from tests.end_to_end.indexed import opened
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.sounds import wav
from tools.servers.processes import until


def test_a_library_lives_and_dies(rest: Rest) -> None:
    """Made, read, changed, listed, deleted; in protobuf's JSON."""
    made = rest.http.post(
        "/v1/libraries", params={"libraryId": "birds"}, json={"displayName": "Vögel 鸟"}
    )
    assert made.status_code == 200
    library = made.json()
    assert library["name"] == "libraries/birds"
    assert library["displayName"] == "Vögel 鸟"
    assert library["state"] == "STATE_ACTIVE"
    assert library["clipCount"] == "0"
    assert library["model"].startswith("models/")
    assert library["purpose"] == "PURPOSE_VOICES"
    for purpose, there in (("PURPOSE_VOICES", True), ("PURPOSE_SOUNDS", False)):
        listed = rest.http.get("/v1/libraries", params={"purpose": purpose}).json()["libraries"]
        assert ("libraries/birds" in {one["name"] for one in listed}) is there
    wrong = {"model": library["model"], "purpose": "PURPOSE_SOUNDS"}
    refused(
        rest.http.post("/v1/libraries", params={"libraryId": "no"}, json=wrong),
        400,
        Reason.FIELD_INVALID,
    )
    changed = rest.http.patch(
        "/v1/libraries/birds",
        params={"updateMask": "displayName"},
        json={"displayName": "Birds", "model": "models/other"},
    )
    assert changed.json()["displayName"] == "Birds"
    assert rest.http.get("/v1/libraries/birds").json()["model"] == library["model"]
    rest.upload("birds")
    assert rest.http.get("/v1/libraries/birds").json()["clipCount"] == "1"
    refused(rest.http.delete("/v1/libraries/birds"), 400, Reason.LIBRARY_NOT_EMPTY)
    gone = rest.http.delete("/v1/libraries/birds", params={"force": "true"})
    assert (gone.status_code, gone.json()) == (200, {})
    refused(rest.http.get("/v1/libraries/birds"), 404, Reason.LIBRARY_NOT_FOUND)


def test_a_library_is_migrated(rest: Rest) -> None:
    """Generation and rule are told, and how far a migration is while it lasts."""
    with opened(rest.running) as services:
        old = services.old_library()
    before = rest.http.get(f"/v1/libraries/{old}").json()
    assert before["generation"] == 0
    assert "windowRule" not in before
    rest.upload(old)
    begun = rest.http.post(f"/v1/libraries/{old}:migrate").json()
    assert begun["migration"]["generation"] == 1

    def over() -> bool:
        return "migration" not in rest.http.get(f"/v1/libraries/{old}").json()

    until(over)
    after = rest.http.get(f"/v1/libraries/{old}").json()
    assert after["generation"] == 1
    assert after["windowRule"] == begun["migration"]["windowRule"]
    rule = {"windowRule": {"window": "2s", "hop": "0s", "single": "2s"}}
    bad = rest.http.post(f"/v1/libraries/{old}:migrate", json=rule)
    refused(bad, 400, Reason.FIELD_INVALID)
    refused(rest.http.post("/v1/libraries/nowhere:migrate"), 404, Reason.LIBRARY_NOT_FOUND)


def test_libraries_are_listed_page_by_page(rest: Rest) -> None:
    """Each once, by name."""
    made = {f"libraries/{rest.library()}" for _ in range(3)}
    params, found = {"pageSize": "2"}, []
    while True:
        page = rest.http.get("/v1/libraries", params=params).json()
        assert len(page["libraries"]) <= 2
        found += [library["name"] for library in page["libraries"]]
        if not page["nextPageToken"]:
            break
        params["pageToken"] = page["nextPageToken"]
    assert made <= set(found)
    assert len(found) == len(set(found))


def test_clips_are_listed_by_what_is_known_of_them(rest: Rest, library: str) -> None:
    """Label, speaker, begin of the name, state; page by page."""
    for number, (label, speaker) in enumerate([("bell", "Ann"), ("bell", "Bob"), ("", "Bob")]):
        audio = wav("bronze_bell", number)
        rest.upload(library, audio, label=label, speaker=speaker, displayName=f"clip {number}")

    def names(**params: str) -> list[str]:
        page = rest.http.get(f"/v1/libraries/{library}/clips", params=params).json()
        return [clip["displayName"] for clip in page["clips"]]

    assert names() == ["clip 0", "clip 1", "clip 2"]
    assert names(**{"filter.label": "bell"}) == ["clip 0", "clip 1"]
    assert names(**{"filter.label": ""}) == ["clip 2"]
    assert names(**{"filter.speaker": "Bob"}) == ["clip 1", "clip 2"]
    assert names(**{"filter.displayNamePrefix": "clip 2"}) == ["clip 2"]
    assert names(**{"filter.state": "STATE_FAILED"}) == []
    assert names(orderBy="create_time desc") == ["clip 2", "clip 1", "clip 0"]
    assert names(orderBy="display_name desc", **{"filter.label": "bell"}) == ["clip 1", "clip 0"]
    first = rest.http.get(f"/v1/libraries/{library}/clips", params={"pageSize": "2"}).json()
    token = first["nextPageToken"]
    assert names(pageSize="2", pageToken=token) == ["clip 2"]
    other = {"pageToken": token, "filter.label": "bell"}
    refused(
        rest.http.get(f"/v1/libraries/{library}/clips", params=other), 400, Reason.FIELD_INVALID
    )


def test_a_clip_is_read_changed_and_deleted(rest: Rest, library: str) -> None:
    """Only what the mask names changes."""
    clip = rest.upload(library, label="bell", speaker="Ann")
    path = "/v1/" + clip["name"]
    assert rest.http.get(path).json() == clip
    assert clip["audioObject"]["sizeBytes"] == str(len(wav()))
    changed = rest.http.patch(
        path, params={"updateMask": "label"}, json={"label": "gong", "speaker": "Eve"}
    ).json()
    assert (changed["label"], changed["speaker"]) == ("gong", "Ann")
    assert rest.http.delete(path).status_code == 200
    assert rest.http.get(path).json()["state"] == "STATE_TRASHED"
    assert rest.http.post(path + ":restore").json()["state"] == "STATE_ACTIVE"
    assert rest.http.delete(path, params={"permanent": "true"}).status_code == 200
    refused(rest.http.get(path), 404, Reason.CLIP_NOT_FOUND)
    refused(rest.http.delete(path), 404, Reason.CLIP_NOT_FOUND)
    refused(rest.http.get(path + "/audio"), 404, Reason.CLIP_NOT_FOUND)


def test_models_say_what_runs(rest: Rest) -> None:
    """The default one has a name of its own."""
    (model,) = rest.http.get("/v1/models").json()["models"]
    assert model["dimension"] == 192
    assert rest.http.get("/v1/models/default").json() == model
    assert rest.http.get("/v1/" + model["name"]).json() == model
    refused(rest.http.get("/v1/models/absent"), 404, Reason.MODEL_NOT_FOUND)


BAD: list[tuple[str, str, dict[str, Any], int, Reason]] = [
    ("POST", "/v1/libraries", {"json": {}}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries?libraryId=a%2Fb", {"json": {}}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries?libraryId=x%27%20or%20%271", {"json": {}}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries?libraryId=bad", {"content": b"{"}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries?libraryId=bad", {"content": b"[]"}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries?libraryId=bad", {"content": b"\xff"}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries?libraryId=bad", {"content": b"[" * 9999}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries?libraryId=bad", {"json": {"other": 1}}, 400, Reason.FIELD_INVALID),
    (
        "POST",
        "/v1/libraries?libraryId=bad",
        {"json": {"displayName": 1}},
        400,
        Reason.FIELD_INVALID,
    ),
    (
        "POST",
        "/v1/libraries?libraryId=bad",
        {"json": {"displayName": "x" * 256}},
        400,
        Reason.FIELD_INVALID,
    ),
    (
        "POST",
        "/v1/libraries?libraryId=bad",
        {"json": {"model": "models/absent"}},
        404,
        Reason.MODEL_NOT_FOUND,
    ),
    (
        "POST",
        "/v1/libraries?libraryId=bad",
        {"content": b'"' + b"x" * 2**20 + b'"'},
        413,
        Reason.BODY_TOO_LARGE,
    ),
    ("POST", "/v1/libraries?libraryId={library}", {"json": {}}, 409, Reason.LIBRARY_EXISTS),
    ("GET", "/v1/libraries?pageSize=x", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries?pageSize=-1", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries?pageSize=1&pageSize=2", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries?pageToken=nonsense", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries?page_size=1", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries?state=9999", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries/absent", {}, 404, Reason.LIBRARY_NOT_FOUND),
    ("GET", "/v1/libraries/..%2Fx", {}, 404, Reason.ROUTE_NOT_FOUND),
    ("GET", "/v1/libraries/x%27%20or%20%271%27=%271", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries/%00", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries/" + "x" * 64, {}, 400, Reason.FIELD_INVALID),
    ("DELETE", "/v1/libraries/{library}?force=yes", {}, 400, Reason.FIELD_INVALID),
    ("PATCH", "/v1/libraries/{library}?updateMask=name", {"json": {}}, 400, Reason.FIELD_INVALID),
    ("PATCH", "/v1/libraries/{library}?updateMask=nope", {"json": {}}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/libraries/absent/clips", {}, 404, Reason.LIBRARY_NOT_FOUND),
    ("GET", "/v1/libraries/{library}/clips?filter.state=NEW", {}, 400, Reason.FIELD_INVALID),
    (
        "GET",
        "/v1/libraries/{library}/clips?filter.createTimeFrom=now",
        {},
        400,
        Reason.FIELD_INVALID,
    ),
    ("GET", "/v1/libraries/{library}/clips/absent", {}, 404, Reason.CLIP_NOT_FOUND),
    ("GET", "/v1/libraries/{library}/clips/A-B", {}, 400, Reason.FIELD_INVALID),
    ("POST", "/v1/libraries/absent/clips", {"content": b"x"}, 404, Reason.LIBRARY_NOT_FOUND),
    ("GET", "/v1", {}, 404, Reason.ROUTE_NOT_FOUND),
    ("GET", "/v1/libraries/", {}, 404, Reason.ROUTE_NOT_FOUND),
    ("GET", "/v2/libraries", {}, 404, Reason.ROUTE_NOT_FOUND),
    ("GET", "/..%2f..%2fetc/passwd", {}, 404, Reason.ROUTE_NOT_FOUND),
    ("PUT", "/v1/libraries", {}, 405, Reason.METHOD_NOT_ALLOWED),
    ("DELETE", "/v1/models", {}, 405, Reason.METHOD_NOT_ALLOWED),
    ("GET", "/v1/operations/absent", {}, 404, Reason.IMPORT_JOB_NOT_FOUND),
    ("GET", "/v1/operations/A%20B", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/v1/operations?filter=x", {}, 400, Reason.FIELD_INVALID),
]


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "reason"),
    BAD,
    ids=[f"{m} {p[:60]}" for m, p, *_ in BAD],
)
def test_what_can_not_be_done_is_told(
    rest: Rest, method: str, path: str, options: dict[str, Any], status: int, reason: Reason
) -> None:
    """By status and reason."""
    if "{library}" in path:
        path = path.replace("{library}", rest.library())
    refused(rest.http.request(method, path, **options), status, reason)


def test_a_request_id_comes_back(rest: Rest) -> None:
    """The caller's own where it can be logged, another one where not."""
    given = {"x-request-id": "my-own-1"}
    assert rest.http.get("/v1/models", headers=given).headers["x-request-id"] == "my-own-1"
    for bad in ("", "x" * 200, "a\tb"):
        sent = rest.http.get("/v1/models", headers={"x-request-id": bad}).headers["x-request-id"]
        assert sent
        assert sent != bad


def test_libraries_of_like_names_are_apart(rest: Rest) -> None:
    """By case, and by how they begin."""
    for name in ("pair", "Pair", "pair_2"):
        made = rest.http.post("/v1/libraries", params={"libraryId": name})
        assert made.status_code == 200, made.text
    clip = rest.upload("pair")
    rest.upload("Pair", wav("sword_clash"))
    assert rest.http.get("/v1/libraries/pair_2").json()["clipCount"] == "0"
    found = rest.http.post("/v1/libraries/pair/clips:search", content=wav("sword_clash")).json()
    assert [match["clip"]["name"] for match in found["matches"]] == [clip["name"]]
    other = clip["name"].replace("/pair/", "/Pair/")
    refused(rest.http.get("/v1/" + other), 404, Reason.CLIP_NOT_FOUND)
    assert rest.http.delete("/v1/libraries/Pair?force=true").status_code == 200
    assert rest.http.get("/v1/libraries/pair").json()["clipCount"] == "1"
