"""A library for voices and one for sounds in one stack: models of unlike dimension and rate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS, PURPOSE_VOICES, Model, Purpose
from audiosearch.gateway.v1.duplicates_pb2 import Duplicates, GetDuplicatesRequest
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch.gateway.v1.search_pb2 import (
    BatchSearchClipsRequest,
    Examples,
    SearchClipsRequest,
    SearchClipsResponse,
    SearchConfig,
    VectorQuery,
)
from audiosearch_client import offsets

from embedding_service.network.families.panns.network import Shape
from serving.errors import Reason
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.indexed import long
from tests.end_to_end.test_another_model import get, refused
from tests.vowels import record
from tools.servers.checkpoints import random_panns, write_panns
from tools.servers.processes import until

LABELS = ("Bell", "Dog", "Rain")
NAMES = {"voices": PURPOSE_VOICES, "sounds": PURPOSE_SOUNDS}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack with the bundled model for voices, and a narrow one for sounds of random weights."""
    shape = Shape("CNN6", 1 / 16, len(LABELS), dimension=48)
    folder = write_panns(
        tmp_path_factory.mktemp("checkpoints") / "narrow", random_panns(shape), shape, LABELS
    )
    base = tmp_path_factory.mktemp("both")
    with start(base, AUDIOSEARCH_MODELS=f"voices,narrow={folder}") as running:
        yield running


@pytest.fixture(scope="module")
def models(both: Running) -> dict[Purpose.ValueType, Model]:
    """The two models by purpose."""
    stubs = both.client.stubs.models
    return {
        each.purpose: each
        for each in both.client.call(stubs.ListModels, ListModelsRequest()).models
    }


def first(answer: SearchClipsResponse) -> str:
    """Name of the nearest clip."""
    return str(answer.matches[0].clip.display_name)


def test_a_library_of_each(
    both: Running, models: dict[Purpose.ValueType, Model], tmp_path: Path
) -> None:
    """Each kind of search finds what it should, and no vector crosses from one to the other."""
    client, settings = both.client, {"AUDIOSEARCH_TARGET": both.stack.target}
    paths = [record(tmp_path, voice, 0, 2.0) for voice in range(3)] + [long(tmp_path, 1)]
    clips: dict[str, list[str]] = {}
    for name, purpose in NAMES.items():
        said = run("library", "create", name, "--for", name, **settings).stdout
        assert f"library {name} created for {name}, model {models[purpose].name}" in said
        clips[name] = [client.upload(name, path).clip.name for path in paths]
        made = get(both, name)
        assert (made.purpose, made.model) == (purpose, models[purpose].name)
        assert made.window_rule == models[purpose].window_rule
        found = client.search(name, paths[0])
        assert (first(found), found.model) == (paths[0].name, made.model)
        assert found.matches[0].score == pytest.approx(1, abs=1e-3)
        assert all(match.score >= models[purpose].min_score for match in found.matches)
        part = client.search(name, paths[3], part=offsets.part(4, 8))
        assert first(part) == paths[3].name
        assert client.search(name, clips[name][3], part=offsets.part(0, 6)).matches
        vector = client.embed(paths[1], made.model).embedding
        assert len(vector.values) == models[purpose].dimension
        query = VectorQuery(values=vector.values, model=vector.model)
        assert first(client.search(name, query)) == paths[1].name
        examples = Examples(
            positive=[Examples.Example(vector=query)],
            negative=[Examples.Example(clip=clips[name][2])],
        )
        assert first(client.search(name, examples)) == paths[1].name
        other = next(each for each in NAMES if each != name)
        if other in clips:
            refused(lambda: client.search(other, query), Reason.MODEL_MISMATCH, made.model)  # noqa: B023
    batch = BatchSearchClipsRequest(
        requests=[
            SearchClipsRequest(config=SearchConfig(parent=f"libraries/{name}"), clip=clips[name][0])
            for name in NAMES
        ]
    )
    outcomes = client.call(client.stubs.search.BatchSearchClips, batch).outcomes
    assert [each.response.model for each in outcomes] == [
        models[purpose].name for purpose in NAMES.values()
    ]
    config = SearchConfig(more_libraries=["libraries/sounds"])
    refused(
        lambda: client.search("voices", paths[0], config=config),
        Reason.MODEL_MISMATCH,
        "libraries/sounds is for sounds, .* libraries/voices is for voices",
    )
    libraries = client.stubs.libraries
    for name in NAMES:
        until(
            lambda: (
                client.call(
                    libraries.GetLibraryMap,
                    GetLibraryMapRequest(name=f"libraries/{name}/map"),  # noqa: B023
                ).state
                == LibraryMap.STATE_READY
            )
        )
        until(
            lambda: (
                client.call(
                    libraries.GetDuplicates,
                    GetDuplicatesRequest(name=f"libraries/{name}/duplicates"),  # noqa: B023
                ).state
                == Duplicates.STATE_READY
            )
        )
    listed = run("library", "list", **settings).stdout
    assert models[PURPOSE_SOUNDS].name.removeprefix("models/") in listed
    shown = run("models", **settings).stdout
    assert "panns_cnn6" in shown
    assert "2 s every 1 s" in shown


def test_a_library_changes_its_kind(both: Running, tmp_path: Path) -> None:
    """From voices to sounds and back, with another dimension; not while it has speakers."""
    client, name, path = both.client, "changes", record(tmp_path, 1, 0, 2.0)
    settings = {"AUDIOSEARCH_TARGET": both.stack.target}
    client.create_library(name, purpose="voices")
    client.upload(name, path)
    client.upload(name, long(tmp_path, 2))
    client.speakers.enroll(name, "ann", [record(tmp_path, 0, 0, 2.0)])
    request = MigrateLibraryRequest(name=f"libraries/{name}", model="models/sounds")
    refused(
        lambda: client.call(client.stubs.libraries.MigrateLibrary, request),
        Reason.STATE_CONFLICT,
        "has speakers",
    )
    client.speakers.delete(name, "ann")
    for purpose in ("sounds", "voices"):
        said = run("library", "migrate", name, "--for", purpose, **settings).stdout
        now: Library = get(both, name)
        assert f"it is of {now.model} now" in said
        assert now.purpose == NAMES[purpose]
        assert now.model_generation == now.generation
        assert first(client.search(name, path)) == path.name
    listed = client.call(
        client.stubs.libraries.ListLibraries,
        library_pb2.ListLibrariesRequest(purpose=PURPOSE_VOICES),
    )
    assert f"libraries/{name}" in {each.name for each in listed.libraries}
