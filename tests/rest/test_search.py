"""Searches over REST, at once and as events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deploy import example_sounds
from serving.errors import Reason
from tests.rest.answers import events, refused
from tests.rest.conftest import Rest
from tests.rest.sounds import silence, wav, webm


def path(library: str, verb: str = "search") -> str:
    """Path of a library's searches."""
    return f"/v1/libraries/{library}/clips:{verb}"


def names(answer: Any) -> list[str]:
    """Display names of the matches."""
    return [match["clip"]["displayName"] for match in answer.json()["matches"]]


def test_form_raw_body_and_stream_agree(rest: Rest, filled: str) -> None:
    """The most similar clip first, the scores falling, and what was heard."""
    raw = rest.http.post(path(filled), content=wav("sword_clash", 77))
    form = rest.http.post(path(filled), files={"audio": wav("sword_clash", 77)})
    assert raw.json() == form.json()
    found = raw.json()["matches"]
    assert len(found) == 10
    assert found[0]["clip"]["displayName"].startswith("sword_clash")
    scores = [match["score"] for match in found]
    assert scores == sorted(scores, reverse=True)
    assert raw.json()["queryAudio"]["duration"] == "1.600s"
    streamed = rest.http.post(path(filled, "streamSearch"), content=wav("sword_clash", 77))
    assert streamed.headers["content-type"].startswith("text/event-stream")
    kinds = list(events(streamed.text.splitlines()))
    assert [kind for kind, _ in kinds] == ["summary", *["match"] * 10, "done"]
    assert [data for kind, data in kinds if kind == "match"] == found


def test_k_and_min_score_limit_the_matches(rest: Rest, filled: str) -> None:
    """In the query, and as fields of the form."""
    assert len(names(rest.http.post(path(filled), params={"k": "3"}, content=wav()))) == 3
    limited = rest.http.post(
        path(filled), data={"k": "20", "minScore": "0.9"}, files={"audio": wav()}
    )
    assert names(limited)[0] == "bronze_bell_1.wav"
    assert all(match["score"] >= 0.9 for match in limited.json()["matches"])
    assert len(names(limited)) < 20


def test_a_clip_can_be_the_query(rest: Rest, filled: str) -> None:
    """By its name; it is left out itself."""
    (first, *_) = rest.http.post(path(filled), content=wav()).json()["matches"]
    answer = rest.http.post(path(filled), params={"clip": first["clip"]["name"], "k": "2"})
    assert answer.status_code == 200, answer.text
    assert len(names(answer)) == 2
    assert "bronze_bell_1.wav" not in names(answer)
    both = rest.http.post(path(filled), params={"clip": first["clip"]["name"]}, content=wav())
    refused(both, 400, Reason.FIELD_INVALID)


def test_a_kept_query_can_be_the_query(rest: Rest, filled: str) -> None:
    """By its name, without a body, and in JSON."""
    kept = rest.http.post(f"/v1/libraries/{filled}/queries", content=wav()).json()["name"]
    plain = rest.http.post(path(filled), params={"k": "2"}, content=wav()).json()
    for verb in ("search", "query"):
        json = {"keptQuery": kept, "config": {"k": 2}} if verb == "query" else None
        params = None if json else {"keptQuery": kept, "k": "2"}
        assert rest.http.post(path(filled, verb), params=params, json=json).json() == plain
    for more in ({"content": wav()}, {"params": {"channel": "left"}}, {"params": {"words": "a"}}):
        asked = {"keptQuery": kept, **more.pop("params", {})}
        refused(rest.http.post(path(filled), params=asked, **more), 400, Reason.FIELD_INVALID)
    absent = {"keptQuery": f"libraries/{filled}/queries/00000000"}
    refused(rest.http.post(path(filled), params=absent), 404, Reason.QUERY_NOT_FOUND)


def test_what_a_browser_records_is_found(rest: Rest, filled: str) -> None:
    """Opus in WebM, as a form and raw."""
    for body in (
        {"files": {"audio": ("blob", webm(), "audio/webm;codecs=opus")}},
        {"content": webm(), "headers": {"content-type": "audio/webm;codecs=opus"}},
    ):
        answer = rest.http.post(path(filled), params={"k": "1"}, **body)
        assert names(answer) == ["bronze_bell_1.wav"]


def test_raw_samples_are_found(rest: Rest, filled: str) -> None:
    """With their rate."""
    samples = (example_sounds.make("bronze_bell", 1) * 32767).astype("<i2")
    params = {"pcm.sampleRate": "16000", "pcm.channels": "1", "k": "1"}
    params["pcm.sampleType"] = "SAMPLE_TYPE_INT16"
    answer = rest.http.post(path(filled), params=params, content=np.asarray(samples).tobytes())
    assert answer.status_code == 200, answer.text
    assert names(answer) == ["bronze_bell_1.wav"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"k": "0"}, "k"),
        ({"k": "1001"}, "k"),
        ({"k": "many"}, "k"),
        ({"k": "1.5"}, "k"),
        ({"k": "99999999999"}, "k"),
        ({"minScore": "2"}, "min_score"),
        ({"minScore": "NaN"}, "min_score"),
        ({"clip": "x"}, "clip"),
        ({"clip": "libraries/absent/clips/x"}, "clip"),
        ({"K": "3"}, "K"),
    ],
)
def test_parameters_that_do_not_fit_are_told(
    rest: Rest, filled: str, params: dict[str, str], field: str
) -> None:
    """By name; the same for both forms of the search."""
    body = {} if "clip" in params else {"content": wav()}
    for verb in ("search", "streamSearch"):
        answer = rest.http.post(path(filled, verb), params=params, **body)
        told = refused(answer, 400, Reason.FIELD_INVALID)
        assert told["field"].lower().replace("_", "") == field.lower().replace("_", "")


@pytest.mark.parametrize("verb", ["search", "streamSearch"])
def test_what_can_not_be_searched_is_told(rest: Rest, filled: str, verb: str) -> None:
    """With its status: nothing was sent before."""
    absent = rest.http.post(path("absent", verb), content=wav())
    refused(absent, 404, Reason.LIBRARY_NOT_FOUND)
    refused(rest.http.post(path(filled, verb), content=silence()), 400, Reason.AUDIO_SILENT)
    refused(rest.http.post(path(filled, verb), content=b"x"), 400, Reason.AUDIO_UNDECODABLE)
    refused(rest.http.post(path(filled, verb)), 400, Reason.AUDIO_UNDECODABLE)
    clip = {"clip": f"libraries/{filled}/clips/absent"}
    refused(rest.http.post(path(filled, verb), params=clip), 404, Reason.CLIP_NOT_FOUND)


def test_an_empty_library_answers_with_no_match(rest: Rest, library: str) -> None:
    """And a stream of its summary alone."""
    assert rest.http.post(path(library), content=wav()).json()["matches"] == []
    streamed = rest.http.post(path(library, "streamSearch"), content=wav())
    assert [kind for kind, _ in events(streamed.text.splitlines())] == ["summary", "done"]
