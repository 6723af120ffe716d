"""Searching, by audio and by clip."""

from __future__ import annotations

from pathlib import Path

import grpc
import numpy as np
import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import PcmFormat
from audiosearch.gateway.v1 import search_pb2
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import UpsertVectorsRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from deploy import example_sounds
from gateway.libraries.indexes import present
from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running


def short(library: Library) -> str:
    """The last part of a library's name."""
    return library.name.removeprefix("libraries/")


@pytest.mark.parametrize(
    "kind", [kind for kind, (_, count) in example_sounds.KINDS.items() if count > 1]
)
def test_the_right_kind_comes_first(
    shared: Running, filled: Library, tmp_path: Path, kind: str
) -> None:
    """A variant that the library does not have finds the others of its kind."""
    query = example_sounds.write(tmp_path / "query.wav", example_sounds.make(kind, 77))
    answer = shared.client.search(short(filled), query, k=5)
    assert answer.matches[0].clip.display_name.startswith(kind)
    scores = [match.score for match in answer.matches]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)
    assert answer.query_audio.sample_rate == example_sounds.RATE


def test_a_stored_clip_finds_itself_first_with_score_one(
    shared: Running, filled: Library, sounds: Path
) -> None:
    """The same bytes give the same vector."""
    answer = shared.client.search(short(filled), sounds / "bronze_bell_2.wav", k=1)
    assert [match.clip.display_name for match in answer.matches] == ["bronze_bell_2.wav"]
    assert answer.matches[0].score == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("near", [1 - 1.3e-5, 1 - 4e-5])
def test_the_same_audio_scores_one_whatever_batch_computed_it(
    shared: Running, sounds: Path, near: float
) -> None:
    """A vector that differs by rounding alone is found by a min_score of 1, and others are not."""
    client, library = shared.client, shared.library()
    paths = [sounds / f"bronze_bell_{number}.wav" for number in (1, 2, 3)]
    clips = [client.upload(library, path).clip for path in paths]
    heard = client.embed(paths[0]).embedding
    one = np.array(heard.values)
    aside = np.roll(one, 1) - (np.roll(one, 1) @ one) * one
    turned = near * one + np.sqrt(1 - near**2) * aside / np.linalg.norm(aside)
    stored = client.call(
        client.stubs.libraries.GetLibrary,
        library_pb2.GetLibraryRequest(name=f"libraries/{library}"),
    )
    clip_id = clips[0].name.rpartition("/")[2]
    with grpc.insecure_channel(shared.stack.addresses.target("index")) as channel:
        IndexServiceStub(channel).UpsertVectors(
            UpsertVectorsRequest(
                index_id=present(stored).windows,
                model=heard.model,
                vectors=[Vector(id=clip_id, clip_id=clip_id, values=turned.tolist())],
            )
        )
    (match,) = client.search(library, paths[0], min_score=1).matches
    assert (match.clip.name, match.score) == (clips[0].name, 1)
    every = client.search(library, paths[0]).matches
    for limit in every:
        found = client.search(library, paths[0], min_score=limit.score).matches
        assert [m.clip.name for m in found] == [
            m.clip.name for m in every if m.score >= limit.score
        ]


def test_a_search_by_clip_leaves_the_clip_out(
    shared: Running, filled: Library, sounds: Path
) -> None:
    """And agrees with a search by its audio in all the others."""
    by_audio = shared.client.search(short(filled), sounds / "bronze_bell_2.wav", k=11)
    by_clip = shared.client.search_by_clip(short(filled), by_audio.matches[0].clip.name, k=10)
    assert [match.clip.name for match in by_clip.matches] == [
        match.clip.name for match in by_audio.matches[1:]
    ]
    assert not by_clip.HasField("query_audio")


def test_inline_audio_and_streamed_audio_agree(
    shared: Running, filled: Library, sounds: Path
) -> None:
    """SearchClips and StreamSearchClips are the same search."""
    path = sounds / "knife_on_wood_1.wav"
    inline = shared.client.call(
        shared.client.stubs.search.SearchClips,
        search_pb2.SearchClipsRequest(
            config=search_pb2.SearchConfig(parent=filled.name), audio=path.read_bytes()
        ),
    )
    assert len(inline.matches) == 10
    assert inline == shared.client.search(short(filled), path)


def test_raw_samples_find_what_the_file_finds(shared: Running, filled: Library) -> None:
    """PCM of the stored samples scores one."""
    sound = (example_sounds.make("sword_swing", 1) * 32767).astype("<i2")
    config = search_pb2.StreamSearchClipsConfig(
        search=search_pb2.SearchConfig(parent=filled.name, k=1),
        pcm=PcmFormat(sample_rate=example_sounds.RATE),
    )
    requests = [
        search_pb2.StreamSearchClipsRequest(config=config),
        search_pb2.StreamSearchClipsRequest(audio_chunk=sound.tobytes()),
    ]
    responses = list(shared.client.stubs.search.StreamSearchClips(iter(requests), timeout=60))
    assert responses[0].HasField("summary")
    assert responses[1].match.clip.display_name == "sword_swing_1.wav"
    assert responses[1].match.score > 0.99


def test_min_score_leaves_out_what_is_lower(shared: Running, filled: Library, sounds: Path) -> None:
    """And nothing else."""
    path = sounds / "bronze_bell_1.wav"
    every = shared.client.search(short(filled), path, k=20).matches
    limit = every[4].score
    some = shared.client.search(short(filled), path, k=20, min_score=limit).matches
    assert [match.clip.name for match in some] == [m.clip.name for m in every if m.score >= limit]


def test_more_than_there_is_gives_all_there_is(
    shared: Running, filled: Library, sounds: Path
) -> None:
    """K may be 1,000."""
    answer = shared.client.search(short(filled), sounds / "bronze_bell_1.wav", k=1000)
    assert len(answer.matches) == 20
    assert len({match.clip.name for match in answer.matches}) == 20


def test_an_empty_library_gives_no_matches(shared: Running, library: str, sounds: Path) -> None:
    """It is no error."""
    assert not shared.client.search(library, sounds / "bronze_bell_1.wav").matches


@pytest.mark.parametrize("k", [0, -1, 1001, 10**9])
def test_k_out_of_range_is_refused(shared: Running, filled: Library, sounds: Path, k: int) -> None:
    """The message says the range."""
    with pytest.raises(ServiceError, match="1,000") as raised:
        shared.client.search(short(filled), sounds / "bronze_bell_1.wav", k=k)
    assert raised.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize("score", [1.5, -2.0, float("nan"), float("inf")])
def test_a_min_score_out_of_range_is_refused(
    shared: Running, filled: Library, sounds: Path, score: float
) -> None:
    """It is a cosine."""
    with pytest.raises(ServiceError) as raised:
        shared.client.search(short(filled), sounds / "bronze_bell_1.wav", min_score=score)
    assert raised.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize("name", ["../etc", "a'b", 'a"b', "a b", "", "x" * 64, "a/b", "名"])
def test_a_library_name_of_other_characters_is_refused(
    shared: Running, sounds: Path, name: str
) -> None:
    """Before anything else is done with it."""
    with pytest.raises(ServiceError) as raised:
        shared.client.search(name, sounds / "bronze_bell_1.wav")
    assert raised.value.reason is Reason.FIELD_INVALID


def test_a_library_that_is_not_there_is_named(shared: Running, sounds: Path) -> None:
    """NOT_FOUND with the name."""
    with pytest.raises(ServiceError, match="nowhere") as raised:
        shared.client.search("nowhere", sounds / "bronze_bell_1.wav")
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_a_query_clip_has_to_be_of_the_library(
    shared: Running, filled: Library, library: str, sounds: Path
) -> None:
    """One of another library is refused, one that is not there is not found."""
    foreign = shared.client.search(short(filled), sounds / "bronze_bell_1.wav", k=1).matches[0].clip
    with pytest.raises(ServiceError) as raised:
        shared.client.search_by_clip(library, foreign.name)
    assert raised.value.reason is Reason.FIELD_INVALID
    with pytest.raises(ServiceError) as raised:
        shared.client.search_by_clip(library, f"libraries/{library}/clips/{'0' * 26}")
    assert raised.value.reason is Reason.CLIP_NOT_FOUND


def test_a_query_without_anything_is_refused(shared: Running, filled: Library) -> None:
    """Neither clip nor audio."""
    with pytest.raises(ServiceError) as raised:
        shared.client.call(
            shared.client.stubs.search.SearchClips,
            search_pb2.SearchClipsRequest(config=search_pb2.SearchConfig(parent=filled.name)),
        )
    assert raised.value.reason is Reason.FIELD_INVALID


def test_silence_is_no_query(shared: Running, filled: Library, tmp_path: Path) -> None:
    """It would be like everything."""
    path = example_sounds.write(tmp_path / "silent.wav", np.zeros(16_000))
    with pytest.raises(ServiceError) as raised:
        shared.client.search(short(filled), path)
    assert raised.value.reason is Reason.AUDIO_SILENT


def test_a_deleted_clip_is_not_found_any_more(shared: Running, library: str, sounds: Path) -> None:
    """And the others still are."""
    kept = shared.client.upload(library, sounds / "bronze_bell_1.wav").clip
    gone = shared.client.upload(library, sounds / "bronze_bell_2.wav").clip
    shared.client.call(shared.client.stubs.clips.DeleteClip, search_delete(gone))
    answer = shared.client.search(library, sounds / "bronze_bell_2.wav")
    assert [match.clip.name for match in answer.matches] == [kept.name]


def search_delete(clip: Clip) -> object:
    """The request that deletes a clip."""
    from audiosearch.catalog.v1.clip_pb2 import DeleteClipRequest  # noqa: PLC0415

    return DeleteClipRequest(name=clip.name)
