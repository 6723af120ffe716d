"""A library for voices and one for sounds in one stack: models of unlike dimension and rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, GetClipRequest, ListClipsRequest
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
from audiosearch.index.v1.index_service_pb2 import GetIndexStatsRequest
from audiosearch_client import offsets
from audiosearch_client.conditions import any_of

from embedding_service.network.families.panns.network import Shape
from serving.conditions import fits, surest
from serving.errors import Reason
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.indexed import long, opened
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


def test_tags_of_clips_and_words_for_them(both: Running, tmp_path: Path) -> None:
    """Kinds of sound are kept, filtered by, counted, named with their scores and asked in words."""
    client, name, settings = both.client, "tagged", {"AUDIOSEARCH_TARGET": both.stack.target}
    client.create_library(name, purpose="sounds")
    paths = [record(tmp_path, voice, 0, 2.0) for voice in range(3)]
    clips = [client.upload(name, path).clip for path in paths]
    assert all(clip.tags and clip.revision == 1 for clip in clips)
    assert [list(clip.tags) for clip in clips] == [
        surest(client.tag_clip(clip.name, 3).tags) for clip in clips
    ]
    assert {tag.name for tag in client.tag_clip(clips[0].name).tags} == set(LABELS)
    (tag,) = client.tag_clip(clips[0].name, 1, "models/sounds").tags
    assert tag.name == clips[0].tags[0].name
    refused(
        lambda: client.tag_clip(clips[0].name, model="models/voices"),
        Reason.MODEL_WITHOUT_TAGS,
        "names no kinds of sound",
    )
    best = max(clips, key=lambda clip: clip.tags[0].score)
    surely = any_of("tag", best.tags[0].name, min_score=best.tags[0].score)
    config = SearchConfig(filter=ClipFilter(conditions=[surely]))
    fitting = {clip.name for clip in clips if fits(clip, [surely])}
    found = client.search(name, paths[0], config=config)
    assert {match.clip.name for match in found.matches} == fitting
    listed = client.clips(name, ListClipsRequest(filter=config.filter))
    assert {clip.name for clip in listed} == fitting
    counted = client.count_values(name, "tag")
    assert {each.value: each.clip_count for each in counted.values} == Counter(
        tag.name for clip in clips for tag in clip.tags
    )
    asked = client.search_by_words(name, "a barking dog")
    scores = [{each.name: each.score for each in m.clip.tags}.get("Dog", 0) for m in asked.matches]
    assert [match.score for match in asked.matches] == pytest.approx(scores, abs=1e-4)
    assert scores == sorted(scores, reverse=True)
    named = client.search_by_words(name, f"{paths[1].stem} unicorn")
    assert "unicorn" in named.not_understood
    nothing = client.search_by_words(name, "unicorn")
    assert not nothing.matches
    assert "unicorn" in nothing.advice
    said = run("search", "--words", "dogs", "--library", name, "--tag", "Dog", **settings).stdout
    assert "dogs: Dog" in said
    assert "Dog" in run("clip", "tags", clips[0].name, **settings).stdout
    said = run("clip", "values", "tag", "--library", name, **settings).stdout
    assert clips[0].tags[0].name in said


def test_words_find_names_where_there_are_no_tags(both: Running, tmp_path: Path) -> None:
    """In a library for voices, alone and beside one for sounds; page by page, as any search."""
    client, name = both.client, "spoken"
    client.create_library(name, purpose="voices")
    for number in range(3):
        client.upload(name, record(tmp_path, number, 1, 2.0), Clip(display_name=f"Dog_{number}"))
    pages = []
    config = SearchConfig(k=2)
    while True:
        page = client.search_by_words(name, "dogs", config)
        assert all(match.score == 0 for match in page.matches)
        pages.append([match.clip.display_name for match in page.matches])
        config.page_token = page.next_page_token
        if not config.page_token:
            break
    assert pages == [["Dog_0", "Dog_1"], ["Dog_2"]]
    client.create_library("barks", purpose="sounds")
    heard = client.upload("barks", record(tmp_path, 0, 1, 2.0)).clip
    several = SearchConfig(k=9, more_libraries=["libraries/barks"])
    found = client.search_by_words(name, f"{heard.tags[0].name} dog", several)
    assert found.matches[0].clip == heard
    assert [match.score > 0 for match in found.matches] == [True, False, False, False]
    advice = client.search_by_words(name, "unicorn").advice
    assert "no tags" in advice
    refused(lambda: client.search_by_words(name, " "), Reason.FIELD_INVALID, "words")
    request = SearchClipsRequest(config=SearchConfig(parent=f"libraries/{name}"), words="dog")
    request.channel = 1
    refused(
        lambda: client.call(client.stubs.search.SearchClips, request),
        Reason.FIELD_INVALID,
        "channel",
    )


def test_tags_follow_the_model_of_a_library(both: Running, tmp_path: Path) -> None:
    """A model that names none takes them away, in the catalog and beside the vectors."""
    client, name, path = both.client, "follows", record(tmp_path, 1, 0, 2.0)
    settings = {"AUDIOSEARCH_TARGET": both.stack.target}
    client.create_library(name, purpose="voices")
    clip = client.upload(name, path).clip
    assert not clip.tags
    some = SearchConfig(filter=ClipFilter(conditions=[any_of("tag", *LABELS)]))
    none = SearchConfig(filter=ClipFilter(conditions=[any_of("tag", "")]))
    for purpose, there, elsewhere in (("sounds", some, none), ("voices", none, some)):
        run("library", "migrate", name, "--for", purpose, **settings)
        now = client.call(client.stubs.clips.GetClip, GetClipRequest(name=clip.name))
        assert bool(now.tags) == (purpose == "sounds")
        assert first(client.search(name, path, config=there)) == path.name
        assert not client.search(name, path, config=elsewhere).matches


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


def test_the_answers_of_another_model_are_looked_at_before_the_switch(
    both: Running, tmp_path: Path
) -> None:
    """The library stays as it is meanwhile, and takes clips; then it is switched, or is not."""
    client, name, path = both.client, "looked-at", record(tmp_path, 1, 0, 2.0)
    settings = {"AUDIOSEARCH_TARGET": both.stack.target}
    client.create_library(name, purpose="voices")
    for voice in range(3):
        for take in range(4):
            clip = Clip(label=f"voice {voice}")
            client.upload(name, record(tmp_path, voice, take, 2.0), clip)
    own = get(both, name)
    review = ("library", "migrate", name, "--for", "sounds", "--review")
    said = run(*review, **settings).stdout
    assert "ready to switch" in said
    assert "one label" in said
    waiting = get(both, name)
    compared = waiting.migration.comparison
    assert (compared.sample_count, compared.labelled_by) == (12, "label")
    assert 0 < compared.overlap <= 1  # ten of eleven others are near by any model
    assert compared.present_eer < 0.2
    assert (waiting.model, waiting.generation) == (own.model, own.generation)
    new = client.upload(name, long(tmp_path, 2)).clip
    assert client.search(name, path).model == own.model
    assert "ready to switch" in run("library", "show", name, **settings).stdout
    own_model = own.model.removeprefix("models/")
    said = run("library", "migrate", name, "--model", own_model, **settings).stdout
    assert "up to date" in said
    kept = get(both, name)
    assert (kept.model, kept.generation) == (own.model, waiting.migration.generation + 1)
    assert first(client.search(name, path)) == path.name
    with opened(both) as services:
        given_up = f"{own.uid}_w{waiting.migration.generation}"
        with pytest.raises(grpc.RpcError, match=given_up):
            services.index.GetIndexStats(GetIndexStatsRequest(index_id=given_up))
    run(*review, **settings)
    said = run("library", "migrate", name, **settings).stdout
    now = get(both, name)
    assert f"it is of {now.model} now" in said
    assert now.purpose == PURPOSE_SOUNDS
    assert client.search(name, new.name).matches
