"""The indexes of the model before are kept after a change, until told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch.gateway.v1.search_pb2 import SearchConfig
from audiosearch_client.conditions import any_of
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn

from embedding_service.network.families.panns.network import Shape
from serving.errors import Reason
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import start
from tests.end_to_end.indexed import Indexed, long, opened, short
from tests.end_to_end.test_another_model import SHAPE, refused
from tests.end_to_end.test_migration import fill, searching, wait_for_the_end
from tests.end_to_end.test_migration_recovery import kill, launch
from tests.vowels import record
from tools.servers.checkpoints import random_panns, write_checkpoint, write_panns
from tools.servers.processes import until

LABELS = ("Bell", "Dog", "Rain")
Facts = dict[str, tuple[int, list[tuple[str, float]]]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """A stack with two models for voices and one for sounds, which cuts recordings otherwise."""
    base = tmp_path_factory.mktemp("kept")
    shape = Shape("CNN6", 1 / 16, len(LABELS), dimension=48)
    narrow = write_panns(base / "narrow", random_panns(shape), shape, LABELS)
    second = write_checkpoint(base / "second", SHAPE, EcapaTdnn(**SHAPE).state_dict())
    names = f"voices,second={second},narrow={narrow}"
    # PaddleSpeech's own network needs no conversion, which would take longer than all the rest.
    with (
        start(base, AUDIOSEARCH_MODELS=names, AUDIOSEARCH_ENCODER_PRECISION="paddle") as running,
        opened(running) as indexed,
    ):
        yield indexed


def command(stack: Indexed, *words: str, code: int = 0) -> str:
    """Runs a command against the stack; all that it printed."""
    done = run(*words, code=code, AUDIOSEARCH_TARGET=stack.running.stack.target)
    return done.stdout + done.stderr


def voice_models(stack: Indexed) -> tuple[str, str]:
    """The names of both models for voices, without `models/`."""
    client = stack.client
    found = client.call(client.stubs.models.ListModels, ListModelsRequest()).models
    first, second = (each.name[7:] for each in found if each.purpose == PURPOSE_VOICES)
    return first, second


def facts(stack: Indexed, name: str) -> Facts:
    """The number of windows and the tags of each clip."""
    return {
        id_: (clip.window_count, [(tag.name, tag.score) for tag in clip.tags])
        for id_, clip in stack.clips(name).items()
    }


def lose_audio(stack: Indexed, ids: list[str]) -> None:
    """Removes the stored audio of clips, so that nothing can be embedded of it."""
    for id_ in ids:
        (path,) = stack.running.stack.data_dir.rglob(f"{id_}.*")
        path.unlink()


def found_by_itself(stack: Indexed, name: str, clip_id: str, path: Path) -> bool:
    """True if a search with the sound of a clip finds it first."""
    match = stack.client.search(name, path, k=1).matches[0]
    return bool(match.clip.name.endswith(clip_id) and match.score > 0.99)


def use(stack: Indexed, name: str, folder: Path, paths: dict[str, Path]) -> str:
    """Uploads, deletes and renames in a library with `paths`. Returns the renamed clip."""
    client, clips = stack.client, stack.client.stubs.clips
    deleted, renamed = list(paths)[3], list(paths)[4]
    del paths[deleted]
    for path in (short(folder, 30), long(folder, 31)):
        paths[client.upload(name, path).clip.name.rpartition("/")[2]] = path
    request = clip_pb2.DeleteClipRequest(name=f"libraries/{name}/clips/{deleted}")
    client.call(clips.DeleteClip, request)
    changed = Clip(name=f"libraries/{name}/clips/{renamed}", label="renamed")
    client.call(clips.UpdateClip, clip_pb2.UpdateClipRequest(clip=changed))
    return renamed


def gone(stack: Indexed, library: Library, generation: int) -> None:
    """Waits until the indexes of a generation are dropped."""
    for kind in "wc":
        until(lambda kind=kind: not stack.has_index(f"{library.uid}_{kind}{generation}"))  # type: ignore[misc]


def test_there_and_back_and_there_again(stack: Indexed, tmp_path: Path) -> None:
    """Nothing is embedded again that was there, though windows and tags are others each time."""
    name, client = "kept-sounds", stack.client
    client.create_library(name, purpose="sounds")
    paths = fill(stack, name, tmp_path, shorts=3, longs=3)
    sounds, own = facts(stack, name), stack.library(name)
    assert all(tags for _, tags in sounds.values())
    said = command(stack, "library", "migrate", name, "--for", "voices", "--keep")
    switched = stack.library(name)
    assert f"it is of {switched.model} now" in said
    assert f"The indexes of {own.model} are kept" in said
    assert switched.migration.kept
    assert (switched.migration.generation, switched.migration.model) == (1, own.model)
    shown = command(stack, "library", "show", name)
    assert f"--model {own.model[7:]}` goes back" in shown
    assert f"audiosearch library migrate {name} --forget` drops them" in shown
    voices = facts(stack, name)
    assert all(not tags for _, tags in voices.values())
    assert {id_: count for id_, (count, _) in voices.items()} != {
        id_: count for id_, (count, _) in sounds.items()
    }
    assert stack.differences(name) == []
    renamed = use(stack, name, tmp_path, paths)
    assert stack.differences(name) == []
    voices = facts(stack, name)
    lose_audio(stack, list(paths))
    with searching(stack, name, paths) as wrong:
        said = command(stack, "library", "migrate", name, "--for", "sounds", "--keep")
    assert f"it is of {own.model} now" in said
    back = stack.library(name)
    assert (back.model, back.generation, back.purpose) == (own.model, 1, own.purpose)
    assert back.window_rule == own.window_rule
    assert (back.migration.kept, back.migration.generation) == (True, 2)
    now = facts(stack, name)
    assert now.keys() == paths.keys()
    assert all(now[id_] == sounds.get(id_, now[id_]) for id_ in now)
    assert all(tags for _, tags in now.values())
    assert stack.differences(name) == []
    config = SearchConfig(filter=ClipFilter(conditions=[any_of("label", "renamed")]))
    matches = client.search(name, paths[renamed], config=config).matches
    assert [match.clip.name.rpartition("/")[2] for match in matches] == [renamed]
    assert all(found_by_itself(stack, name, id_, path) for id_, path in paths.items())
    command(stack, "library", "migrate", name, "--for", "voices")
    again = stack.library(name)
    assert (again.model, again.generation) == (switched.model, 2)
    assert not again.HasField("migration")
    assert facts(stack, name) == voices
    assert all(found_by_itself(stack, name, id_, path) for id_, path in paths.items())
    gone(stack, own, 1)
    assert stack.differences(name) == []
    assert [each for each in wrong if "given another model" not in each] == []


def test_a_clip_comes_back_from_the_trash_with_what_it_has_by_the_model_of_now(
    stack: Indexed, tmp_path: Path
) -> None:
    """Whichever model the library had when it was deleted."""
    name, client = "kept-and-trashed", stack.client
    client.create_library(name, purpose="sounds")
    fill(stack, name, tmp_path, shorts=2, longs=1)
    sounds = facts(stack, name)
    command(stack, "library", "migrate", name, "--for", "voices", "--keep")
    voices = facts(stack, name)

    def restore(ids: list[str]) -> None:
        for id_ in ids:
            request = clip_pb2.RestoreClipRequest(name=f"libraries/{name}/clips/{id_}")
            client.call(client.stubs.clips.RestoreClip, request)

    def delete(ids: list[str]) -> None:
        for id_ in ids:
            request = clip_pb2.DeleteClipRequest(name=f"libraries/{name}/clips/{id_}")
            client.call(client.stubs.clips.DeleteClip, request)

    delete(list(voices))
    restore(list(voices))
    assert facts(stack, name) == voices
    assert stack.differences(name) == []
    delete(list(voices))
    command(stack, "library", "migrate", name, "--for", "sounds")
    restore(list(voices))
    assert facts(stack, name) == sounds
    assert stack.differences(name) == []


def test_it_is_kept_until_it_is_forgotten(stack: Indexed, tmp_path: Path) -> None:
    """Neither another migration nor a sweep drops it; then it is gone, and stays so."""
    name, client = "kept-and-forgotten", stack.client
    client.create_library(name, purpose="sounds")
    paths = fill(stack, name, tmp_path, shorts=2, longs=1)
    own = stack.library(name)
    first, second = voice_models(stack)
    command(stack, "library", "migrate", name, "--model", first, "--keep")
    migrate = client.stubs.libraries.MigrateLibrary
    for model in ("", f"models/{first}", f"models/{second}"):
        request = MigrateLibraryRequest(name=own.name, model=model)
        refused(lambda: client.call(migrate, request), Reason.STATE_CONFLICT, "--forget")  # noqa: B023
    both = MigrateLibraryRequest(name=own.name, forget=True, keep=True)
    refused(lambda: client.call(migrate, both), Reason.FIELD_INVALID, "forget")
    kill(stack)
    launch(stack)  # which begins with a sweep
    new = client.upload(name, short(tmp_path, 7)).clip.name.rpartition("/")[2]
    assert new in {id_.partition(":")[0] for id_ in stack.vectors(f"{own.uid}_w1")}
    assert stack.differences(name) == []
    said = command(stack, "library", "migrate", name, "--forget")
    assert f"nothing is kept but the indexes of models/{first}" in said
    gone(stack, own, 1)
    assert not stack.library(name).HasField("migration")
    assert "nothing is kept" in command(stack, "library", "migrate", name, "--forget")
    assert stack.library(name).generation == 2
    assert all(found_by_itself(stack, name, id_, path) for id_, path in paths.items())
    assert stack.differences(name) == []


def test_voices_of_both_models(stack: Indexed, tmp_path: Path) -> None:
    """Who is enrolled while an earlier model is kept is known by it after going back."""
    name, client = "kept-voices", stack.client
    first, second = voice_models(stack)
    command(stack, "library", "create", name, "--model", first)
    client.speakers.enroll(name, "ann", [record(tmp_path, 0, take, 2.0) for take in range(2)])
    client.upload(name, long(tmp_path, 1))
    command(stack, "library", "migrate", name, "--model", second, "--review", "--keep")
    assert stack.library(name).migration.keep
    command(stack, "library", "migrate", name)
    kept = stack.library(name)
    assert (kept.model, kept.migration.model) == (f"models/{second}", f"models/{first}")
    client.speakers.enroll(name, "bob", [record(tmp_path, 1, take, 2.0) for take in range(2)])
    assert stack.differences(name) == []
    lose_audio(stack, list(stack.clips(name)))
    command(stack, "library", "migrate", name, "--model", first)
    back = stack.library(name)
    assert (back.model, back.generation, back.model_generation) == (f"models/{first}", 1, 1)
    for voice, speaker in ((0, "ann"), (1, "bob")):
        answer = client.speakers.identify(name, record(tmp_path, voice, 0, 2.0))
        assert (answer.candidate_count, answer.model) == (2, back.model)
        assert answer.matches[0].speaker.name.endswith(f"/{speaker}")
        assert answer.best_score.cosine > 0.9
    gone(stack, back, 2)
    until(lambda: not stack.has_index(f"{back.uid}_speakers"))
    until(lambda: not stack.has_index(f"{back.uid}_speakers2"))
    assert stack.differences(name) == []


def test_a_library_that_is_deleted_leaves_nothing(stack: Indexed, tmp_path: Path) -> None:
    """Neither of the present generation nor of the kept one."""
    name, client = "kept-and-deleted", stack.client
    client.create_library(name, purpose="sounds")
    fill(stack, name, tmp_path, shorts=1, longs=1)
    command(stack, "library", "migrate", name, "--for", "voices", "--keep")
    library = stack.library(name)
    assert stack.has_index(f"{library.uid}_w1")
    client.call(
        client.stubs.libraries.DeleteLibrary,
        library_pb2.DeleteLibraryRequest(name=library.name, force=True),
    )
    for generation in (1, 2):
        gone(stack, library, generation)


def test_a_kept_index_that_is_lost_is_filled_on_the_way_back(
    stack: Indexed, tmp_path: Path
) -> None:
    """With the vectors that the catalog keeps, by whichever gateway; nothing is embedded then."""
    name, client = "kept-and-lost", stack.client
    client.create_library(name, purpose="sounds")
    paths = fill(stack, name, tmp_path, shorts=2, longs=2)
    command(stack, "library", "migrate", name, "--for", "voices", "--keep")
    library = stack.library(name)
    for kind in "wc":
        stack.drop_index(f"{library.uid}_{kind}1")
    new = client.upload(name, short(tmp_path, 9)).clip.name.rpartition("/")[2]
    lose_audio(stack, list(paths))
    command(stack, "library", "migrate", name, "--for", "sounds", "--no-wait")
    kill(stack)
    launch(stack)
    wait_for_the_end(stack, name)
    assert stack.library(name).generation == 1
    assert new in stack.clips(name)
    assert stack.differences(name) == []
