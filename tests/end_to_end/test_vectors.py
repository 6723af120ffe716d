"""Libraries for vectors that were made elsewhere, on the whole stack."""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.gateway.v1 import search_pb2
from audiosearch.gateway.v1.clips_pb2 import NewVector, UploadVectorsResponse
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch_cli.app import app
from typer.testing import CliRunner

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import Indexed, opened, short
from tools.servers.processes import until

MODEL, DIMENSION = "models/glove-8", 8
WORDS = ["frog", "toad", "newt", "king", "queen", "prince"]
_numbers = itertools.count(1)


@pytest.fixture
def stack(shared: Running) -> Iterator[Indexed]:
    """The shared stack."""
    with opened(shared) as made:
        yield made


def vectors() -> dict[str, list[float]]:
    """Two groups of words whose vectors are near each other, and some length."""
    draw = np.random.default_rng(7)
    centers = draw.normal(size=(2, DIMENSION))
    return {
        word: (5 * centers[number // 3] + 0.1 * draw.normal(size=DIMENSION)).tolist()
        for number, word in enumerate(WORDS)
    }


def make(stack: Indexed, **fields: object) -> str:
    """A library for vectors; its short name."""
    name = f"vectors-{next(_numbers)}"
    made = Library(**{"model": MODEL, "dimension": DIMENSION, **fields})  # type: ignore[arg-type]
    request = CreateLibraryRequest(library_id=name, library=made)
    answer = stack.client.call(stack.client.stubs.libraries.CreateLibrary, request)
    assert (answer.model, answer.dimension) == (MODEL, DIMENSION)
    return name


def fill(stack: Indexed, library: str) -> UploadVectorsResponse:
    """Stores all words."""
    items = [
        NewVector(clip=Clip(display_name=word, label=word[0]), values=values)
        for word, values in vectors().items()
    ]
    answer: UploadVectorsResponse = stack.client.upload_vectors(library, MODEL, items)
    return answer


def found(stack: Indexed, config: search_pb2.SearchConfig, values: list[float]) -> list[str]:
    """Names of the matches of a vector."""
    request = search_pb2.SearchClipsRequest(
        config=config, vector=search_pb2.VectorQuery(model=MODEL, values=values)
    )
    answer = stack.client.call(stack.client.stubs.search.SearchClips, request)
    return [match.clip.display_name for match in answer.matches]


def test_words_are_found_by_vector_and_by_clip(stack: Indexed) -> None:
    """The nearest come first, and a filter narrows them; a repeat changes nothing."""
    library = make(stack)
    first, again = fill(stack, library), fill(stack, library)
    assert (first.created_count, again.created_count) == (6, 0)
    clips = {each.clip.display_name: each.clip for each in first.outcomes}
    assert [each.clip.name for each in again.outcomes] == [
        each.clip.name for each in first.outcomes
    ]
    assert all(clip.state == Clip.STATE_ACTIVE for clip in clips.values())
    assert not any(clip.HasField("audio") for clip in clips.values())
    config = search_pb2.SearchConfig(parent=f"libraries/{library}", k=3)
    values = [1e30 * value for value in vectors()["toad"]]
    assert found(stack, config, values)[0] == "toad"
    assert set(found(stack, config, values)) == {"frog", "toad", "newt"}
    answer = stack.client.search_by_clip(library, clips["king"].name, k=2)
    assert {match.clip.display_name for match in answer.matches} == {"queen", "prince"}
    config.filter.label = "n"
    assert found(stack, config, values) == ["newt"]
    assert not stack.differences(library)


def test_the_same_vector_may_have_two_names(stack: Indexed) -> None:
    """It is the name and the vector that are recognised."""
    library = make(stack)
    same = [NewVector(clip=Clip(display_name=name), values=range(1, 9)) for name in "aba"]
    answer = stack.client.upload_vectors(library, MODEL, same)
    assert answer.created_count == 2
    assert answer.outcomes[0].clip.name == answer.outcomes[2].clip.name


def test_what_is_no_vector_is_told_one_by_one(stack: Indexed) -> None:
    """The others are stored."""
    library = make(stack)
    wrong = [[0.0] * 8, [math.nan] * 8, [math.inf] + [1.0] * 7, [1.0] * 7, [1.0] * 8]
    items = [NewVector(clip=Clip(display_name="x"), values=values) for values in wrong]
    answer = stack.client.upload_vectors(library, MODEL, items)
    reasons = [each.failure.reason for each in answer.outcomes]
    assert reasons == [Reason.FIELD_INVALID.value] * 4 + [""]
    assert answer.created_count == 1


def test_vectors_and_audio_are_kept_apart(stack: Indexed, tmp_path: Path) -> None:
    """Each library says that it takes only one of them."""
    library, audio = make(stack), stack.running.library()
    calls = stack.client
    item = NewVector(clip=Clip(display_name="x"), values=[1.0] * 8)
    migrate = MigrateLibraryRequest(name=f"libraries/{library}")
    for call, words in (
        (lambda: calls.upload(library, short(tmp_path, 1)), "no audio"),
        (lambda: calls.upload_vectors(audio, MODEL, [item]), "for audio"),
        (lambda: calls.upload_vectors(library, "models/other", [item]), "models/other"),
        (lambda: calls.import_folder(library, "/"), "no audio"),
        (lambda: calls.search(library, short(tmp_path, 1)), "holds vectors"),
        (lambda: calls.call(calls.stubs.libraries.MigrateLibrary, migrate), "no audio"),
    ):
        with pytest.raises(ServiceError, match=words) as caught:
            call()
        assert caught.value.reason is Reason.MODEL_MISMATCH


def test_an_unknown_model_needs_a_dimension(stack: Indexed) -> None:
    """The error says so."""
    with pytest.raises(ServiceError, match="dimension") as caught:
        make(stack, dimension=0)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
    for dimension in (1, 4097):
        with pytest.raises(ServiceError) as caught:
            make(stack, dimension=dimension)
        assert caught.value.reason is Reason.FIELD_INVALID


def test_the_stored_object_is_name_and_numbers(stack: Indexed) -> None:
    """It is downloaded as it is described, and goes with its clip."""
    library = make(stack)
    clip = fill(stack, library).outcomes[0].clip
    file = io.BytesIO()
    stored = stack.client.download(clip.name, file)
    assert stored.content_type == "application/x-audiosearch-vector"
    head, _, numbers = file.getvalue().partition(b"\n")
    mark, version, described = head.split(b" ", 2)
    assert (mark, version) == (b"audiosearch-vector", b"1")
    assert json.loads(described) == {"display_name": "frog", "dimension": DIMENSION}
    unit = np.array(vectors()["frog"]) / np.linalg.norm(vectors()["frog"])
    assert np.allclose(np.frombuffer(numbers, "<f4"), unit, atol=1e-6)
    delete = clip_pb2.DeleteClipRequest(name=clip.name)
    stack.client.call(stack.client.stubs.clips.DeleteClip, delete)
    assert "frog" not in {each.display_name for each in stack.clips(library).values()}
    assert not stack.differences(library)


def test_a_file_of_vectors_is_uploaded(stack: Indexed, tmp_path: Path) -> None:
    """Lines that are no vectors are told by number."""
    library, file = f"vectors-{next(_numbers)}", tmp_path / "glove.txt"
    lines = [f"{word} {' '.join(map(str, values))}" for word, values in vectors().items()]
    lines += ["short 1 2", "odd 1 2 3 4 5 6 7 x", "at home 1 2 3 4 5 6 7 8"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    target = ["--target", stack.running.stack.target]
    made = ["library", "create", library, "--model", MODEL, "--dimension", "8", *target]
    assert CliRunner().invoke(app, made).exit_code == 0
    result = CliRunner().invoke(app, ["vectors", "upload", library, str(file), *target])
    assert result.exit_code == 3
    assert "7 vectors stored, 0 were there, 2 failed" in result.output
    assert "line 7" in result.output
    assert "line 8" in result.output
    again = CliRunner().invoke(app, ["vectors", "upload", library, str(file), "--json", *target])
    assert again.exit_code == 3
    counted = json.loads(again.stdout)
    assert [counted[key] for key in ("created", "existing", "failed")] == [0, 7, 2]
    assert [(each["line"], each["reason"]) for each in counted["failures"]] == [
        (7, "FIELD_INVALID"),
        (8, "FIELD_INVALID"),
    ]
    absent = CliRunner().invoke(app, ["vectors", "upload", library, "absent.txt", *target])
    assert absent.exit_code == 2
    names = {clip.display_name for clip in stack.clips(library).values()}
    assert names == {*WORDS, "at home"}
    query = tmp_path / "query.json"
    query.write_text(json.dumps(vectors()["king"]))
    asked = [
        "search",
        "--vector",
        str(query),
        "--model",
        "glove-8",
        "--library",
        library,
        "-k",
        "3",
    ]
    told = CliRunner().invoke(app, [*asked, "--json", *target])
    found = [match["clip"]["displayName"] for match in json.loads(told.output)["matches"]]
    assert found[0] == "king"
    assert set(found) == {"king", "queen", "prince"}
    assert "king" in CliRunner().invoke(app, [*asked, *target]).output


def test_words_have_a_map(stack: Indexed) -> None:
    """Each word has a point."""
    library = make(stack)
    fill(stack, library)
    request = GetLibraryMapRequest(name=f"libraries/{library}/map")
    until(
        lambda: (
            len(stack.client.call(stack.client.stubs.libraries.GetLibraryMap, request).points)
            == len(WORDS)
        ),
        60,
    )
