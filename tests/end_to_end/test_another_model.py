"""Another model for a library: one that is refused, and then the library's own by a migration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1 import embedding_service_pb2
from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS, PURPOSE_VOICES, Model
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch.index.v1.index_service_pb2 import DropIndexRequest
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running
from tests.end_to_end.enrollments import ANN, BOB
from tests.end_to_end.indexed import opened
from tests.end_to_end.test_services import encoder
from tests.vowels import record
from tools.servers.checkpoints import write_checkpoint
from tools.servers.processes import until

SHAPE = {
    "input_size": 80,
    "channels": [32, 32, 32, 32, 96],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 16,
    "lin_neurons": 192,
    "se_channels": 16,
}


@pytest.fixture
def other(tmp_path: Path) -> dict[str, str]:
    """Settings of a service with another model, which has learnt nothing."""
    folder = write_checkpoint(tmp_path / "other", SHAPE, EcapaTdnn(**SHAPE).state_dict())
    # PaddleSpeech's own network needs no conversion, which would take longer than all the rest.
    return {
        "AUDIOSEARCH_MODELS": "voices",
        "AUDIOSEARCH_CHECKPOINT": str(folder),
        "AUDIOSEARCH_ENCODER_PRECISION": "paddle",
    }


def get(running: Running, name: str) -> Library:
    """A library as it is now."""
    request = library_pb2.GetLibraryRequest(name=f"libraries/{name}")
    return running.client.call(running.client.stubs.libraries.GetLibrary, request)


def model_of(running: Running, name: str) -> Model:
    """A running model."""
    request = embedding_service_pb2.GetModelRequest(name=name)
    return running.client.call(running.client.stubs.models.GetModel, request)


def refused(call: Callable[[], object], reason: Reason, words: str) -> None:
    """Checks that a call is refused for a reason, with these words in the advice."""
    with pytest.raises(ServiceError, match=words) as raised:
        call()
    assert raised.value.reason is reason
    assert raised.value.code is reason.code


def found_again(call: Callable[[], bool]) -> bool:
    """The answer of a call; False while the index that it needs is being filled."""
    try:
        return call()
    except ServiceError as error:
        if error.reason is not Reason.INDEX_UNAVAILABLE:
            raise
        return False


def test_a_model_that_runs_no_more_is_left_behind(
    fragile: Running, tmp_path: Path, other: dict[str, str]
) -> None:
    """Searches and uploads are refused with the command that helps; stored clips still search.

    The migration gives the library the vectors and the voiceprints of the other model.
    """
    client, library = fragile.client, fragile.library()
    paths = [record(tmp_path, voice, take, 2.0) for voice in (ANN, BOB) for take in range(3)]
    clips = [client.upload(library, path).clip.name for path in paths]
    client.speakers.enroll(library, "ann", paths[:2])
    before = get(fragile, library)
    assert (before.purpose, before.model_generation) == (PURPOSE_VOICES, 0)
    migrate = client.stubs.libraries.MigrateLibrary
    request = MigrateLibraryRequest(name=before.name)
    with encoder(fragile, **other):
        new = model_of(fragile, "models/default")
        assert new.name != before.model
        for call in (
            lambda: client.search(library, paths[0]),
            lambda: client.upload(library, record(tmp_path, 2, 0, 2.0)),
            lambda: client.speakers.verify(library, "ann", paths[0]),
            lambda: client.call(migrate, request),
        ):
            refused(call, Reason.MODEL_MISMATCH, "audiosearch library migrate NAME --for voices")
        refused(
            lambda: client.create_library("nothing-runs", purpose="sounds"),
            Reason.MODEL_NOT_FOUND,
            "AUDIOSEARCH_MODELS",
        )
        near = client.search(library, clips[0]).matches
        assert near[0].clip.name in clips[1:3]
        with opened(fragile) as services:  # a lost index is filled all the same
            lost = f"{before.uid}_w{before.generation}"
            services.index.DropIndex(DropIndexRequest(index_id=lost))
            until(lambda: found_again(lambda: client.search(library, clips[0]).matches == near))
        request.model = "models/none"
        refused(lambda: client.call(migrate, request), Reason.MODEL_NOT_FOUND, "models/none")
        short = new.name.removeprefix("models/")
        run(
            "library", "migrate", library, "--model", short, AUDIOSEARCH_TARGET=fragile.stack.target
        )
        after = get(fragile, library)
        assert (after.model, after.model_generation) == (new.name, after.generation)
        assert not after.migration.failed_count
        found = client.search(library, paths[0]).matches
        assert found[0].clip.display_name == paths[0].name
        assert found[0].score == pytest.approx(1, abs=1e-3)
        answer = client.speakers.identify(library, paths[0])
        assert (answer.candidate_count, answer.model) == (1, new.name)
        assert answer.best_score.cosine > 0.9
        client.upload(library, record(tmp_path, 2, 0, 2.0))
    refused(lambda: client.search(library, paths[0]), Reason.MODEL_MISMATCH, before.model)


def test_a_library_for_sounds_has_no_voices(shared: Running, tmp_path: Path) -> None:
    """Enrollment, verification, identification and calibration are refused, with advice."""
    client, name, path = shared.client, "sounds-without-voices", record(tmp_path, ANN, 0, 2.0)
    model = model_of(shared, "models/default")
    with opened(shared) as services:  # as if the model were one for sounds
        made = Library(model=model.name, purpose=PURPOSE_SOUNDS, window_rule=model.window_rule)
        request = library_pb2.CreateLibraryRequest(library_id=name, library=made)
        services.catalog.libraries.CreateLibrary(request)
    client.upload(name, path)
    assert client.search(name, path).matches
    for call in (
        lambda: client.speakers.enroll(name, "ann", [path]),
        lambda: client.speakers.verify(name, "ann", path),
        lambda: client.speakers.identify(name, path),
        lambda: client.speakers.calibrate(name),
    ):
        refused(call, Reason.MODEL_MISMATCH, "library create NAME --for voices")
    list_libraries = client.stubs.libraries.ListLibraries
    listed = client.call(
        list_libraries, library_pb2.ListLibrariesRequest(page_size=1000, purpose=PURPOSE_SOUNDS)
    )
    assert f"libraries/{name}" in {each.name for each in listed.libraries}
    assert {each.purpose for each in listed.libraries} == {PURPOSE_SOUNDS}


def test_purpose_and_model_agree(shared: Running) -> None:
    """A purpose that is not the model's is refused, and so is one for vectors."""
    client, model = shared.client, model_of(shared, "models/default")
    create = client.stubs.libraries.CreateLibrary
    for wanted, words in (
        (Library(model=model.name, purpose=PURPOSE_SOUNDS), "is a model for voices"),
        (Library(model="models/sounds", dimension=8), "models/sounds"),
        (Library(model="models/other", purpose=PURPOSE_VOICES, dimension=8), "purpose"),
    ):
        request = library_pb2.CreateLibraryRequest(library_id="disagrees", library=wanted)
        refused(lambda: client.call(create, request), Reason.FIELD_INVALID, words)  # noqa: B023
    settings = {"AUDIOSEARCH_TARGET": shared.stack.target}
    said = run("library", "create", "by-name", "--model", model.name[7:], **settings).stdout
    assert f"library by-name created for voices, model {model.name}" in said
    assert "voices" in run("library", "show", "by-name", **settings).stdout
    assert model.name[7:] in run("models", **settings).stdout
