"""Searches that are narrowed, grouped, paged and asked with more than a sound; embeddings."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from deploy import example_sounds
from serving.errors import Reason
from tests.rest.answers import events, refused
from tests.rest.conftest import Rest
from tests.rest.sounds import RATE, wav

BELLS = {"field": "label", "anyOf": {"values": ["bronze_bell"]}}


def path(library: str, verb: str = "search") -> str:
    """Path of a library's searches."""
    return f"/v1/libraries/{library}/clips:{verb}"


def matches(answer: httpx.Response) -> list[Any]:
    """The matches of an answer."""
    assert answer.status_code == 200, answer.text
    return list(answer.json()["matches"])


def joined(*kinds: str) -> bytes:
    """Sounds one after the other, each of 3 s and more, as one WAV file."""
    parts = [np.tile(example_sounds.make(kind, 1), 3)[: 4 * RATE] for kind in kinds]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts), RATE, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def labelled(rest: Rest) -> str:
    """A library of clips with labels, and one long recording of three sounds."""
    library = rest.library()
    for kind in ("bronze_bell", "sword_clash", "crackling_fire"):
        for variant in (1, 2):
            rest.upload(
                library, wav(kind, variant), displayName=f"{kind}_{variant}.wav", label=kind
            )
    rest.upload(library, joined("sword_clash", "bronze_bell", "crackling_fire"), label="long")
    return library


def test_a_long_recording_is_found_at_its_place(rest: Rest, labelled: str) -> None:
    """The segment lies in the third of the recording where the sound is."""
    found = matches(rest.http.post(path(labelled), content=joined("bronze_bell")))
    (long,) = [match for match in found if match["clip"]["label"] == "long"]
    best = long["segments"][0]
    start = float(best["startOffset"].removesuffix("s"))
    assert 2.5 <= start <= 5.5
    assert best["score"] == long["score"]
    plain = matches(
        rest.http.post(
            path(labelled), params={"detail": "DETAIL_CLIPS"}, content=joined("bronze_bell")
        )
    )
    assert all("segments" not in match or not match["segments"] for match in plain)


def test_conditions_narrow_a_search(rest: Rest, labelled: str) -> None:
    """In the query, as fields of a form, in its config, and for a list of clips alike."""
    wanted = json.dumps(BELLS)
    query = {"filter.conditions": wanted}
    by_query = matches(rest.http.post(path(labelled), params=query, content=wav()))
    assert {match["clip"]["label"] for match in by_query} == {"bronze_bell"}
    files = {"audio": wav()}
    assert matches(rest.http.post(path(labelled), data=query, files=files)) == by_query
    config = json.dumps({"search": {"filter": {"conditions": [BELLS]}}})
    assert matches(rest.http.post(path(labelled), data={"config": config}, files=files)) == by_query
    listed = rest.http.get(f"/v1/libraries/{labelled}/clips", params=query).json()["clips"]
    assert len(listed) == len(by_query) == 2


@pytest.mark.parametrize(
    "condition",
    [
        "label",
        "[]",
        "{",
        '{"field": "colour", "anyOf": {"values": ["a"]}}',
        '{"field": "duration", "anyOf": {"values": ["a"]}}',
        '{"field": "duration", "range": {"minimum": 3, "maximum": 2}}',
        '{"field": "duration", "range": {"minimum": "NaN"}}',
    ],
)
def test_a_condition_that_can_not_be_is_refused(rest: Rest, labelled: str, condition: str) -> None:
    """Each with FIELD_INVALID."""
    answer = rest.http.post(path(labelled), params={"filter.conditions": condition}, content=wav())
    refused(answer, 400, Reason.FIELD_INVALID)


def test_groups_and_pages(rest: Rest, labelled: str) -> None:
    """A group for each label; pages that neither repeat nor skip, bound to their question."""
    grouped = matches(rest.http.post(path(labelled), params={"groupBy": "label"}, content=wav()))
    labels = [match["group"] for match in grouped]
    assert sorted(labels) == ["bronze_bell", "crackling_fire", "long", "sword_clash"]
    whole = matches(rest.http.post(path(labelled), content=wav()))
    paged, token = [], ""
    while True:
        params = {"k": "3", **({"pageToken": token} if token else {})}
        answer = rest.http.post(path(labelled), params=params, content=wav())
        paged += matches(answer)
        last, token = token, answer.json().get("nextPageToken", "")
        if not token:
            break
    assert paged == whole
    other = rest.http.post(path(labelled), params={"pageToken": last}, content=wav("sword_clash"))
    refused(other, 400, Reason.FIELD_INVALID)


def test_a_range_is_a_part_of_the_sound(rest: Rest, labelled: str) -> None:
    """The second sound of three alone; a range that is not in the sound is refused."""
    sound = joined("sword_clash", "bronze_bell", "crackling_fire")
    part = {"range.startOffset": "4s", "range.endOffset": "8s"}
    found = matches(rest.http.post(path(labelled), params=part, content=sound))
    assert found[0]["clip"]["label"] in {"long", "bronze_bell"}
    outside = {"range.startOffset": "14s", "range.endOffset": "18s"}
    refused(
        rest.http.post(path(labelled), params=outside, content=sound), 400, Reason.FIELD_INVALID
    )
    backwards = {"range.startOffset": "3s", "range.endOffset": "2s"}
    refused(
        rest.http.post(path(labelled), params=backwards, content=sound), 400, Reason.FIELD_INVALID
    )


def test_vectors_examples_and_batches(rest: Rest, labelled: str) -> None:
    """What is no audio is asked in JSON; one search of a batch may fail alone."""
    # The model is one for voices, which has no tags.
    asked = {"maxTags": "2"}
    embedded = rest.http.post("/v1/models:embedAudio", params=asked, content=wav())
    assert embedded.status_code == 200, embedded.text
    assert embedded.json()["tags"] == []
    vector = embedded.json()["embedding"]
    asked = rest.http.post(path(labelled, "query"), json={"vector": vector, "config": {"k": 2}})
    (first, _) = matches(asked)
    assert (first["clip"]["displayName"], first["score"]) == ("bronze_bell_1.wav", 1)
    example = {"positive": [{"clip": first["clip"]["name"]}]}
    like = matches(rest.http.post(path(labelled, "query"), json={"examples": example}))
    assert like[0]["clip"]["displayName"] == "bronze_bell_2.wav"
    broken = {"vector": {"values": [1, 2], "model": vector["model"]}}
    refused(rest.http.post(path(labelled, "query"), json=broken), 400, Reason.FIELD_INVALID)
    batch = rest.http.post(
        path(labelled, "batchSearch"), json={"requests": [{"vector": vector}, broken]}
    )
    good, bad = batch.json()["outcomes"]
    assert good["response"]["matches"][0]["clip"]["name"] == first["clip"]["name"]
    assert bad["failure"]["reason"] == "FIELD_INVALID"


def test_values_are_counted(rest: Rest, labelled: str) -> None:
    """By label, and narrowed as a list is."""
    counted = rest.http.get(path(labelled, "countValues"), params={"field": "label"}).json()
    assert {each["value"]: each["clipCount"] for each in counted["values"]} == {
        "bronze_bell": "2",
        "sword_clash": "2",
        "crackling_fire": "2",
        "long": "1",
    }
    narrow = {"field": "label", "filter.conditions": json.dumps(BELLS)}
    counted = rest.http.get(path(labelled, "countValues"), params=narrow).json()
    assert [each["value"] for each in counted["values"]] == ["bronze_bell"]
    unknown = rest.http.get(path(labelled, "countValues"), params={"field": "colour"})
    refused(unknown, 400, Reason.FIELD_INVALID)


def test_embeddings_come_window_by_window(rest: Rest) -> None:
    """As events; each window has its place and a vector."""
    sound = joined("sword_clash", "bronze_bell")
    answer = rest.http.post(
        "/v1/models:streamEmbeddings", params={"window": "2s", "hop": "2s"}, content=sound
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = list(events(answer.text.splitlines()))
    assert [kind for kind, _ in told] == ["window"] * 4 + ["summary", "done"]
    starts = [data.get("startOffset", "0s") for kind, data in told if kind == "window"]
    assert starts == ["0s", "2s", "4s", "6s"]
    assert all(len(data["embedding"]["values"]) == 192 for kind, data in told if kind == "window")
    refused(
        rest.http.post("/v1/models:streamEmbeddings", params={"hop": "-1s"}, content=sound),
        400,
        Reason.FIELD_INVALID,
    )


def test_vectors_are_uploaded_and_found(rest: Rest) -> None:
    """Each has an outcome; what needs audio is refused."""
    model = "models/glove-3"
    made = rest.http.post(
        "/v1/libraries?libraryId=rest-vectors", json={"model": model, "dimension": 3}
    )
    assert made.json()["dimension"] == 3
    items = [
        {"clip": {"displayName": "frog"}, "values": [1, 2, 3]},
        {"clip": {"displayName": "king"}, "values": [3, -1, 0]},
        {"clip": {"displayName": "none"}, "values": [0, 0, 0]},
    ]
    sent = rest.http.post(
        path("rest-vectors", "uploadVectors"), json={"model": model, "vectors": items}
    )
    assert sent.status_code == 200, sent.text
    assert sent.json()["createdCount"] == 2
    assert sent.json()["outcomes"][2]["failure"]["reason"] == "FIELD_INVALID"
    query = {"vector": {"model": model, "values": [1, 2, 4]}}
    found = matches(rest.http.post(path("rest-vectors", "query"), json=query))
    assert [match["clip"]["displayName"] for match in found] == ["frog", "king"]
    refusal = rest.http.post(path("rest-vectors"), content=wav("bronze_bell", 1))
    assert refused(refusal, 400, Reason.MODEL_MISMATCH)["library_model"] == model
