"""Verification and identification over REST."""

from __future__ import annotations

import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.sounds import silence, webm
from tests.rest.voice_calls import (
    SPEAKERS,
    enroll_all,
    enrollments,
    names,
    path,
    stranger,
    voice,
)


@pytest.fixture(scope="module")
def enrolled(rest: Rest) -> str:
    """A library that knows three voices, and is not changed."""
    library = rest.library()
    enroll_all(rest, library)
    rest.upload(library, voice("low", 4), displayName="low 4")
    return library


def clip_of(rest: Rest, library: str) -> str:
    """Name of the clip that is nobody's enrollment."""
    params = {"filter.displayNamePrefix": "low 4"}
    (clip,) = rest.http.get(f"/v1/libraries/{library}/clips", params=params).json()["clips"]
    return str(clip["name"])


def test_a_voice_is_verified(rest: Rest, enrolled: str) -> None:
    """The score, what it had to reach, and the decision; in a form, raw and of a clip."""
    where = path(enrolled, "low") + ":verify"
    raw = rest.http.post(where, content=voice("low", 4))
    form = rest.http.post(where, files={"audio": voice("low", 4)})
    assert raw.status_code == 200, raw.text
    assert raw.json() == form.json()
    found = raw.json()
    assert found["speaker"]["name"] == f"libraries/{enrolled}/speakers/low"
    assert found["decision"] == "DECISION_ACCEPT"
    assert found["score"]["cosine"] > 0.9
    assert found["threshold"]["basis"] == "BASIS_DEFAULT"
    assert "no calibration" in found["threshold"]["note"]
    assert found["score"]["cosine"] >= found["threshold"]["value"]
    assert found["audio"]["duration"].endswith("s")
    clip = rest.http.post(where, params={"clip": clip_of(rest, enrolled)}).json()
    assert clip["score"]["cosine"] == pytest.approx(found["score"]["cosine"], abs=1e-3)
    assert "audio" not in clip


def test_a_stranger_is_turned_away(rest: Rest, enrolled: str) -> None:
    """With the score that was too low."""
    found = rest.http.post(path(enrolled, "low") + ":verify", content=stranger()).json()
    assert found["decision"] == "DECISION_REJECT"
    assert found["score"]["cosine"] < found["threshold"]["value"]


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_voice_is_identified(rest: Rest, enrolled: str, speaker: str) -> None:
    """The best first; none below the threshold."""
    raw = rest.http.post(path(enrolled) + ":identify", content=voice(speaker, 4))
    form = rest.http.post(
        path(enrolled) + ":identify",
        files={"audio": ("blob", webm(SPEAKERS[speaker], 4), "audio/webm;codecs=opus")},
    )
    assert names(raw)[0] == names(form)[0] == speaker
    found = raw.json()
    scores = [match["score"]["cosine"] for match in found["matches"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= found["threshold"]["value"]
    assert found["bestScore"] == found["matches"][0]["score"]
    assert found["candidateCount"] == "3"


def test_a_stranger_is_nobody(rest: Rest, enrolled: str) -> None:
    """However many speakers are asked for."""
    found = rest.http.post(
        path(enrolled) + ":identify", params={"k": "100"}, content=stranger()
    ).json()
    assert found["matches"] == []
    assert found["bestScore"]["cosine"] < found["threshold"]["value"]


def test_candidates_limit_who_it_may_be(rest: Rest, enrolled: str) -> None:
    """Once or more, in the query and in the form; those that are gone are passed over."""
    where = path(enrolled) + ":identify"
    full = [f"libraries/{enrolled}/speakers/{name}" for name in ("middle", "high", "absent")]
    query = rest.http.post(where, params={"candidates": full}, content=voice("low", 4))
    form = rest.http.post(where, data={"candidates": full}, files={"audio": voice("low", 4)})
    assert query.status_code == 200, query.text
    assert query.json() == form.json()
    assert query.json()["candidateCount"] == "2"
    assert "low" not in names(query)
    one = rest.http.post(where, params={"candidates": full[:1]}, content=voice("middle", 4))
    assert (names(one), one.json()["candidateCount"]) == (["middle"], "1")
    first = rest.http.post(where, params={"k": "1"}, content=voice("low", 4))
    assert names(first) == ["low"]


def test_a_clip_can_be_asked_about(rest: Rest, enrolled: str) -> None:
    """One that is an enrollment says so; with audio behind it, it is refused."""
    where = path(enrolled) + ":identify"
    clip = {"clip": clip_of(rest, enrolled)}
    assert names(rest.http.post(where, params=clip))[0] == "low"
    both = rest.http.post(where, params=clip, content=voice("low", 4))
    refused(both, 400, Reason.FIELD_INVALID)
    own = {"clip": enrollments(rest, enrolled, "low")[0]["name"]}
    found = rest.http.post(path(enrolled, "low") + ":verify", params=own).json()
    assert found["decision"] == "DECISION_ACCEPT"
    assert found["threshold"]["note"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"k": "0"}, "k"),
        ({"k": "101"}, "k"),
        ({"k": "many"}, "k"),
        ({"candidates": "x"}, "candidates"),
        ({"candidates": ["libraries/absent/speakers/x"]}, "candidates"),
        ({"clip": "x"}, "clip"),
        ({"clip": "libraries/absent/clips/x"}, "clip"),
        ({"K": "3"}, "K"),
        ({"k": ["1", "2"]}, "k"),
    ],
)
def test_parameters_that_do_not_fit_are_told(
    rest: Rest, enrolled: str, params: dict[str, str | list[str]], field: str
) -> None:
    """By name."""
    body = {} if "clip" in params else {"content": voice("low", 4)}
    answer = rest.http.post(path(enrolled) + ":identify", params=params, **body)
    assert refused(answer, 400, Reason.FIELD_INVALID)["field"].rpartition(".")[2] == field


@pytest.mark.parametrize("where", ["/low:verify", ":identify"])
def test_what_can_not_be_heard_is_told(rest: Rest, enrolled: str, where: str) -> None:
    """With its status: never a name."""
    asked = path(enrolled) + where
    refused(rest.http.post(asked, content=silence()), 400, Reason.AUDIO_SILENT)
    refused(rest.http.post(asked, content=silence(0.01)), 400, Reason.AUDIO_TOO_SHORT)
    refused(rest.http.post(asked, content=b"x"), 400, Reason.AUDIO_UNDECODABLE)
    refused(rest.http.post(asked), 400, Reason.AUDIO_UNDECODABLE)
    absent = {"clip": f"libraries/{enrolled}/clips/absent"}
    refused(rest.http.post(asked, params=absent), 404, Reason.CLIP_NOT_FOUND)


def test_who_is_missing_is_told(rest: Rest, enrolled: str) -> None:
    """And a library without speakers knows nobody."""
    absent = rest.http.post(path(enrolled, "absent") + ":verify", content=voice("low", 4))
    refused(absent, 404, Reason.SPEAKER_NOT_FOUND)
    found = rest.http.post(path(rest.library()) + ":identify", content=voice("low", 4)).json()
    assert (found["matches"], found["candidateCount"]) == ([], "0")
    assert "bestScore" not in found
