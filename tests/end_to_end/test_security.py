"""API keys: the rights of a key over the wire, and the text of refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiosearch.catalog.v1 import calibration_pb2, clip_pb2, library_pb2, query_pb2, speaker_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.embedding.v1.embedding_pb2 import WindowRule
from audiosearch.gateway.v1 import (
    calibrations_pb2,
    clips_pb2,
    duplicates_pb2,
    library_map_pb2,
    search_pb2,
    speakers_pb2,
    system_status_pb2,
)
from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest
from audiosearch_client.client import AudiosearchClient
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.access import api_key, key_file
from gateway.access.rights import Right
from gateway.access.rules import RULES
from serving.errors import Reason, ServiceError
from serving.tls.files import Tls
from tests.contracts import services
from tests.end_to_end.guarded import Guarded
from tools.servers.processes import until

LIBRARY, NOBODYS, ABSENT = "libraries/open", "libraries/closed", "operations/00000000"
CLIP, SPEAKER = f"{LIBRARY}/clips/00000000", f"{LIBRARY}/speakers/nobody"
CALIBRATION, QUERY = f"{LIBRARY}/calibration", f"{LIBRARY}/queries/00000000"
REFUSALS = (Reason.KEY_MISSING, Reason.KEY_INVALID, Reason.RIGHT_MISSING)
SEARCH = search_pb2.SearchConfig(parent=LIBRARY)
REQUESTS: dict[str, Message] = {
    "CreateLibrary": library_pb2.CreateLibraryRequest(library_id="open"),
    "GetLibrary": library_pb2.GetLibraryRequest(name=LIBRARY),
    "ListLibraries": library_pb2.ListLibrariesRequest(),
    "UpdateLibrary": library_pb2.UpdateLibraryRequest(library=Library(name=LIBRARY)),
    "MigrateLibrary": MigrateLibraryRequest(name=LIBRARY, window_rule=WindowRule()),
    "DeleteLibrary": library_pb2.DeleteLibraryRequest(name=LIBRARY),
    "UploadClip": clips_pb2.UploadClipRequest(config=clips_pb2.UploadClipConfig(parent=LIBRARY)),
    "UploadVectors": clips_pb2.UploadVectorsRequest(
        parent=LIBRARY, model="models/others", vectors=[clips_pb2.NewVector(values=[1, 0])]
    ),
    "ImportClips": clips_pb2.ImportClipsRequest(parent=LIBRARY, folder="/nowhere"),
    "TagClip": clips_pb2.TagClipRequest(name=CLIP),
    "GetClip": clip_pb2.GetClipRequest(name=CLIP),
    "GetPeaks": clip_pb2.GetPeaksRequest(name=CLIP),
    "ListClips": clip_pb2.ListClipsRequest(parent=LIBRARY),
    "ListReferences": clip_pb2.ListReferencesRequest(parent=LIBRARY, uri="s3://bucket"),
    "CountValues": clip_pb2.CountValuesRequest(parent=LIBRARY, field="label"),
    "UpdateClip": clip_pb2.UpdateClipRequest(clip=Clip(name=CLIP)),
    "DeleteClip": clip_pb2.DeleteClipRequest(name=CLIP),
    "RestoreClip": clip_pb2.RestoreClipRequest(name=CLIP),
    "DownloadAudio": clips_pb2.DownloadAudioRequest(name=CLIP),
    "SearchClips": search_pb2.SearchClipsRequest(config=SEARCH, clip=CLIP),
    "CreateQuery": query_pb2.CreateQueryRequest(config=query_pb2.CreateQueryConfig(parent=LIBRARY)),
    "GetQuery": query_pb2.GetQueryRequest(name=QUERY),
    "DownloadQuery": query_pb2.DownloadQueryRequest(name=QUERY),
    "BatchSearchClips": search_pb2.BatchSearchClipsRequest(),
    "StreamSearchClips": search_pb2.StreamSearchClipsRequest(
        config=search_pb2.StreamSearchClipsConfig(search=SEARCH, clip=CLIP)
    ),
    "EnrollSpeaker": speakers_pb2.EnrollSpeakerRequest(
        config=speakers_pb2.EnrollSpeakerConfig(parent=LIBRARY, speaker_id="nobody")
    ),
    "GetSpeaker": speaker_pb2.GetSpeakerRequest(name=SPEAKER),
    "ListSpeakers": speaker_pb2.ListSpeakersRequest(parent=LIBRARY),
    "UpdateSpeaker": speaker_pb2.UpdateSpeakerRequest(speaker=Speaker(name=SPEAKER)),
    "RemoveEnrollments": speaker_pb2.RemoveEnrollmentsRequest(name=SPEAKER, clips=[CLIP]),
    "DeleteSpeaker": speaker_pb2.DeleteSpeakerRequest(name=SPEAKER),
    "VerifySpeaker": speakers_pb2.VerifySpeakerRequest(
        config=speakers_pb2.VerifySpeakerConfig(name=SPEAKER, clip=CLIP)
    ),
    "IdentifySpeaker": speakers_pb2.IdentifySpeakerRequest(
        config=speakers_pb2.IdentifySpeakerConfig(parent=LIBRARY, clip=CLIP)
    ),
    "CalibrateLibrary": calibrations_pb2.CalibrateLibraryRequest(name=LIBRARY),
    "GetCalibration": calibration_pb2.GetCalibrationRequest(name=CALIBRATION),
    "UpdateCalibration": calibration_pb2.UpdateCalibrationRequest(
        calibration=calibration_pb2.Calibration(name=CALIBRATION)
    ),
    "DeleteCalibration": calibration_pb2.DeleteCalibrationRequest(name=CALIBRATION),
    "GetDuplicates": duplicates_pb2.GetDuplicatesRequest(name=f"{LIBRARY}/duplicates"),
    "GetLibraryMap": library_map_pb2.GetLibraryMapRequest(name=f"{LIBRARY}/map"),
    "GetStatus": system_status_pb2.GetStatusRequest(),
    "EmbedAudio": embedding_pb2.EmbedAudioRequest(config=embedding_pb2.EmbedAudioConfig()),
    "StreamEmbeddings": embedding_pb2.StreamEmbeddingsRequest(
        config=embedding_pb2.StreamEmbeddingsConfig()
    ),
    "GetModel": embedding_pb2.GetModelRequest(name="models/none"),
    "ListModels": embedding_pb2.ListModelsRequest(),
    "GetOperation": operations_pb2.GetOperationRequest(name=ABSENT),
    "ListOperations": operations_pb2.ListOperationsRequest(name=LIBRARY),
    "WaitOperation": operations_pb2.WaitOperationRequest(name=ABSENT),
    "CancelOperation": operations_pb2.CancelOperationRequest(name=ABSENT),
    "DeleteOperation": operations_pb2.DeleteOperationRequest(name=ABSENT),
}
"""For each RPC a request about one library; none of them changes anything."""

METHODS: list[MethodDescriptor] = [
    method
    for service in (*services("gateway"), operations_pb2.DESCRIPTOR.services_by_name["Operations"])
    for method in service.methods
]


def test_there_is_a_request_for_every_rpc() -> None:
    """So that the next test leaves none out."""
    assert set(REQUESTS) == {method.name for method in METHODS}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_call_goes_through_with_the_right_it_needs_and_not_without(
    guarded: Guarded, method: MethodDescriptor
) -> None:
    """Over the wire, for each kind of key."""
    request = REQUESTS[method.name]
    rule = RULES[f"/{method.containing_service.full_name}/{method.name}"]

    def ends(token: str | None) -> Reason:
        return guarded.outcome(method, request, token)

    assert ends(None) is Reason.KEY_MISSING
    assert ends("wrong") is Reason.KEY_INVALID
    assert ends(api_key.make("forged", {"*": Right.manage})[1]) is Reason.KEY_INVALID
    absent = "Operation" in method.name and method.name != "ListOperations"
    named = rule.library is not None or method.name == "ListOperations"
    levels = {"stranger": None, "reader": Right.read, "auditor": Right.read}
    levels |= {"writer": Right.write, "manager": Right.manage, "operator": Right.manage}
    for name, level in levels.items():
        allowed = not named or bool(level and rule.right and level.includes(rule.right))
        found = ends(guarded.keys[name])
        assert (found not in REFUSALS) == allowed, (name, found)
        if absent:
            assert found is Reason.IMPORT_JOB_NOT_FOUND


@pytest.mark.parametrize("name", ["GetLibrary", "ListClips", "DeleteLibrary"])
def test_a_refusal_does_not_tell_whether_there_is_such_a_library(
    guarded: Guarded, name: str
) -> None:
    """It is the same for one that is there and one that is not."""
    field = "parent" if name == "ListClips" else "name"
    group = "clips" if name == "ListClips" else "libraries"
    said = set()
    with guarded.client("reader") as client:
        for library in ("closed", "missing"):
            request = type(REQUESTS[name])(**{field: f"libraries/{library}"})
            with pytest.raises(ServiceError) as raised:
                client.call(getattr(getattr(client.stubs, group), name), request)
            assert raised.value.reason is Reason.RIGHT_MISSING
            said.add(raised.value.message.replace(library, "X"))
    assert len(said) == 1


def names(client: AudiosearchClient, size: int) -> list[list[str]]:
    """The libraries that a client sees, page by page."""
    request, found = library_pb2.ListLibrariesRequest(page_size=size), []
    while True:
        page = client.call(client.stubs.libraries.ListLibraries, request)
        found.append([library.name for library in page.libraries])
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


def test_libraries_are_listed_as_far_as_they_may_be_read(guarded: Guarded) -> None:
    """Those that are granted but not there are left out; pages tell nothing of others."""
    seen = {}
    for key in ("operator", "auditor", "both", "reader", "stranger"):
        with guarded.client(key) as client:
            seen[key] = [names(client, size) for size in (0, 1)]
            with pytest.raises(ServiceError, match="page_size"):
                names(client, -1)
    everything = [[[NOBODYS, LIBRARY]], [[NOBODYS], [LIBRARY]]]
    assert seen["operator"] == seen["auditor"] == everything
    assert seen["both"] == [[[NOBODYS, LIBRARY]], [[], [NOBODYS], [LIBRARY]]]
    assert seen["reader"] == [[[LIBRARY]], [[], [LIBRARY]]]
    assert seen["stranger"] == [[[]], [[]]]


def operations(client: AudiosearchClient) -> list[str]:
    """The imports that a client sees, page by page."""
    request, found = operations_pb2.ListOperationsRequest(page_size=1), []
    while True:
        page = client.call(client.stubs.operations.ListOperations, request)
        found += [operation.name for operation in page.operations]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


def test_imports_belong_to_their_library(guarded: Guarded, sounds: Path) -> None:
    """An import is NOT_FOUND without the right to read it, and its id gives no access."""
    request = clips_pb2.ImportClipsRequest(folder=str(sounds), request_id="one")
    with guarded.client("operator") as client:
        made = {}
        for library in (NOBODYS, LIBRARY):
            request.parent, request.request_id = library, f"import into {library}"
            made[library] = client.call(client.stubs.clips.ImportClips, request).name
        assert set(operations(client)) == set(made.values())
    with guarded.client("both") as client:
        assert operations(client) == [made[NOBODYS], made[LIBRARY]]
        cancel = operations_pb2.CancelOperationRequest(name=made[NOBODYS])
        with pytest.raises(ServiceError) as raised:
            client.call(client.stubs.operations.CancelOperation, cancel)
        assert raised.value.reason is Reason.RIGHT_MISSING
    with guarded.client("writer") as client:
        assert operations(client) == [made[LIBRARY]]
        for name, get in (
            ("GetOperation", operations_pb2.GetOperationRequest),
            ("WaitOperation", operations_pb2.WaitOperationRequest),
            ("CancelOperation", operations_pb2.CancelOperationRequest),
            ("DeleteOperation", operations_pb2.DeleteOperationRequest),
        ):
            with pytest.raises(ServiceError) as raised:
                client.call(getattr(client.stubs.operations, name), get(name=made[NOBODYS]))
            assert raised.value.reason is Reason.IMPORT_JOB_NOT_FOUND
        request.parent, request.request_id = LIBRARY, f"import into {NOBODYS}"
        own = client.call(client.stubs.clips.ImportClips, request).name
        assert own not in made.values()
        until(lambda: all(client.import_job(name)[1] for name in (made[LIBRARY], own)))
    with guarded.client("stranger") as client:
        assert operations(client) == []


def test_a_revoked_key_is_refused_a_moment_later(guarded: Guarded) -> None:
    """Without a restart; another one goes on."""
    key, token = api_key.make("short-lived", {"open": Right.read})
    key_file.change(guarded.keyring, lambda keys: keys.update({key.id: key}))
    method = next(method for method in METHODS if method.name == "GetLibrary")
    request = REQUESTS["GetLibrary"]
    until(lambda: guarded.outcome(method, request, token) not in REFUSALS)

    def revoke(keys: dict[str, api_key.ApiKey]) -> None:
        del keys[key.id]

    key_file.change(guarded.keyring, revoke)
    until(lambda: guarded.outcome(method, request, token) is Reason.KEY_INVALID)
    assert guarded.outcome(method, request, guarded.keys["reader"]) not in REFUSALS


def test_health_and_reflection_need_no_key(guarded: Guarded) -> None:
    """Probes have none, and the contract is no secret."""
    with Tls(ca=guarded.authority.ca).connect(guarded.stack.target) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
