"""Calibrations over REST: fitted, read, changed and removed."""

from __future__ import annotations

from typing import Any

import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.voice_calls import SPEAKERS, enroll_all, path, voice

CLIPS = 6
"""Of each speaker."""


def where(library: str) -> str:
    """Path of a library's calibration."""
    return f"/v1/libraries/{library}/calibration"


def labelled(rest: Rest) -> str:
    """A library with three voices, enrolled, and clips of theirs that are no enrollments."""
    library = rest.library()
    enroll_all(rest, library, count=2)
    for name in SPEAKERS:
        for variant in range(3, CLIPS + 1):
            rest.upload(library, voice(name, variant), speaker=name)
    return library


@pytest.fixture(scope="module")
def calibrated(rest: Rest) -> str:
    """A library that has been calibrated; its calibration may be changed."""
    library = labelled(rest)
    fitted = rest.http.post(f"/v1/libraries/{library}:calibrate", json={"seed": "7"})
    assert fitted.status_code == 200, fitted.text
    return library


def test_a_library_is_calibrated(rest: Rest) -> None:
    """From its clips of known speakers; decisions are made by it from then on."""
    library = labelled(rest)
    refused(rest.http.get(where(library)), 404, Reason.CALIBRATION_NOT_FOUND)
    costs = {"operatingPoint": {"costs": {"pTarget": 0.1}}, "normalization": "NORMALIZATION_NONE"}
    fitted = rest.http.post(f"/v1/libraries/{library}:calibrate", json=costs)
    assert fitted.status_code == 200, fitted.text
    made = fitted.json()
    assert made["name"] == f"libraries/{library}/calibration"
    assert (made["speakerCount"], made["clipCount"]) == (3, 3 * CLIPS)
    assert made["normalization"] == "NORMALIZATION_NONE"
    assert made["operatingPoint"] == {"costs": {"pTarget": 0.1}}
    assert 0 <= made["cosine"]["equalErrorRate"] <= 1
    assert rest.http.get(where(library)).json() == made
    found = rest.http.post(path(library, "low") + ":verify", content=voice("low", 9)).json()
    assert found["threshold"]["basis"] == "BASIS_CALIBRATED_COSINE"
    assert found["threshold"]["value"] == pytest.approx(
        made["cosine"]["threshold"]["logLikelihoodRatio"], abs=1e-4
    )
    assert found["score"]["logLikelihoodRatio"] > 0
    assert 0 <= found["threshold"]["expectedMissRate"] <= 1


def test_another_operating_point_is_chosen(rest: Rest, calibrated: str) -> None:
    """Without fitting again; with a mask, and without one."""
    before = rest.http.get(where(calibrated)).json()
    point = {"maxFalseAlarmRate": 0.25}
    changed = rest.http.patch(where(calibrated), json={"operatingPoint": point}).json()
    assert changed["operatingPoint"] == point
    assert changed["cosine"]["slope"] == before["cosine"]["slope"]
    assert changed["cosine"]["threshold"]["falseAlarmRate"] <= 0.25
    mask = {"updateMask": "normalization"}
    body = {"normalization": "NORMALIZATION_NONE", "operatingPoint": {}}
    changed = rest.http.patch(where(calibrated), params=mask, json=body).json()
    assert (changed["normalization"], changed["operatingPoint"]) == ("NORMALIZATION_NONE", point)
    assert rest.http.patch(where(calibrated), json={}).json() == changed


def test_a_calibration_is_removed(rest: Rest) -> None:
    """The default threshold decides then."""
    library = labelled(rest)
    assert rest.http.post(f"/v1/libraries/{library}:calibrate").status_code == 200
    assert rest.http.delete(where(library)).json() == {}
    refused(rest.http.get(where(library)), 404, Reason.CALIBRATION_NOT_FOUND)
    found = rest.http.post(path(library, "low") + ":verify", content=voice("low", 9)).json()
    assert found["threshold"]["basis"] == "BASIS_DEFAULT"


BAD: list[tuple[str, dict[str, Any]]] = [
    ("POST", {"json": {"operatingPoint": {"costs": {"pTarget": 0}}}}),
    ("POST", {"json": {"operatingPoint": {"costs": {"pTarget": 1}}}}),
    ("POST", {"json": {"operatingPoint": {"costs": {"costMiss": -1}}}}),
    ("POST", {"json": {"operatingPoint": {"costs": {"costFalseAlarm": "NaN"}}}}),
    ("POST", {"json": {"operatingPoint": {"maxFalseAlarmRate": 1}}}),
    ("POST", {"json": {"operatingPoint": {"maxFalseAlarmRate": 0.5, "costs": {}}}}),
    ("POST", {"json": {"normalization": "AS_NORM"}}),
    ("POST", {"json": {"enrollmentClipCount": 101}}),
    ("POST", {"json": {"enrollmentClipCount": -1}}),
    ("POST", {"json": {"maxClipCount": 9}}),
    ("POST", {"json": {"maxClipCount": 20_001}}),
    ("POST", {"json": {"seed": "x"}}),
    ("POST", {"json": {"other": 1}}),
    ("POST", {"params": {"seed": "1"}}),
    ("PATCH", {"json": {"operatingPoint": {"maxFalseAlarmRate": 0}}}),
    ("PATCH", {"json": {}, "params": {"updateMask": "cosine"}}),
    ("PATCH", {"content": b"["}),
    ("GET", {"params": {"x": "1"}}),
]


@pytest.mark.parametrize(("method", "options"), BAD)
def test_what_does_not_fit_is_told(
    rest: Rest, calibrated: str, method: str, options: dict[str, Any]
) -> None:
    """And nothing changes."""
    before = rest.http.get(where(calibrated)).json()
    verb = f"/v1/libraries/{calibrated}:calibrate" if method == "POST" else where(calibrated)
    refused(rest.http.request(method, verb, **options), 400, Reason.FIELD_INVALID)
    assert rest.http.get(where(calibrated)).json() == before


def test_too_little_is_known_to_calibrate_by(rest: Rest, library: str) -> None:
    """Of an empty library, and of one with a single voice."""
    calibrate = f"/v1/libraries/{library}:calibrate"
    refused(rest.http.post(calibrate), 400, Reason.SPEAKERS_TOO_FEW)
    for variant in range(1, 5):
        rest.upload(library, voice("low", variant), speaker="low")
    refused(rest.http.post(calibrate, json={}), 400, Reason.SPEAKERS_TOO_FEW)
    refused(rest.http.get(where(library)), 404, Reason.CALIBRATION_NOT_FOUND)


def test_what_is_missing_is_told(rest: Rest, library: str) -> None:
    """The library, or its calibration; GET is not for the verb."""
    point = {"json": {"operatingPoint": {"costs": {}}}}
    refused(rest.http.patch(where(library), **point), 404, Reason.CALIBRATION_NOT_FOUND)
    for method, options in (("GET", {}), ("PATCH", point), ("DELETE", {})):
        answer = rest.http.request(method, where("absent"), **options)
        refused(answer, 404, Reason.LIBRARY_NOT_FOUND)
    absent = rest.http.post("/v1/libraries/absent:calibrate")
    refused(absent, 404, Reason.LIBRARY_NOT_FOUND)
