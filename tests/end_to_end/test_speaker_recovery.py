"""Speakers that were left half way, as when a gateway dies, and voiceprints out of step."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import speaker_pb2
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.index.v1 import index_service_pb2 as index_pb2
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running, start
from tests.vowels import record
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.processes import until


@dataclass(frozen=True)
class Open:
    """A stack that looks after its speakers twice a second, with the services behind it."""

    running: Running
    catalog: CatalogStubs
    index: IndexServiceStub

    def voiceprints(self, library: str) -> set[str]:
        """Ids of the voiceprints in the index; none if there is no index for them."""
        request = index_pb2.ListVectorsRequest(index_id=self.index_of(library))
        try:
            return set(self.index.ListVectors(request).ids)
        except grpc.RpcError:
            return set()

    def index_of(self, library: str) -> str:
        """Id of the index of voiceprints."""
        name = f"libraries/{library}"
        return f"{self.catalog.libraries.GetLibrary(GetLibraryRequest(name=name)).uid}_speakers"

    def create(self, library: str) -> Speaker:
        """Makes the row of `ann`, as an enrollment does first."""
        request = speaker_pb2.CreateSpeakerRequest(parent=f"libraries/{library}", speaker_id="ann")
        return self.catalog.speakers.CreateSpeaker(request)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """A stack of its own, because the shared one takes its time."""
    settings = {
        "AUDIOSEARCH_RECONCILE_SECONDS": "0.5",
        "AUDIOSEARCH_SWEEP_SECONDS": "0.5",
        "AUDIOSEARCH_STALE_SECONDS": "5",
    }
    with start(tmp_path_factory.mktemp("speakers"), **settings) as running:
        target = running.stack.addresses.target
        with (
            grpc.insecure_channel(target("catalog")) as catalog,
            grpc.insecure_channel(target("index")) as index,
        ):
            yield Open(running, CatalogStubs(catalog), IndexServiceStub(index))


def test_an_enrollment_without_its_voiceprint_gets_it(stack: Open, tmp_path: Path) -> None:
    """The gateway died after AddEnrollments. Without a new request the speaker is identified."""
    client, library = stack.running.client, stack.running.library()
    clip = client.upload(library, record(tmp_path, 0, 0, 2.0)).clip
    made = stack.create(library)
    added = speaker_pb2.AddEnrollmentsRequest(name=made.name, clips=[clip.name])
    assert stack.catalog.speakers.AddEnrollments(added).state == Speaker.STATE_UPDATING
    probe = record(tmp_path, 0, 9, 2.0)
    assert not client.speakers.identify(library, probe).matches
    until(lambda: client.speakers.identify(library, probe).matches)
    speaker = client.speakers.get(library, "ann")
    assert speaker.state == Speaker.STATE_ACTIVE
    assert speaker.voiceprint_revision == speaker.revision == 1


def test_a_gateway_that_is_killed_while_it_enrolls(stack: Open, tmp_path: Path) -> None:
    """When it is back, each speaker is there with its voiceprint, or not there at all."""
    running, services = stack.running, stack.running.stack
    library, speakers = running.library(), running.client.speakers
    with ThreadPoolExecutor(1) as pool:
        for number, seconds in enumerate((0.1, 0.3, 0.6)):
            recordings = [record(tmp_path, 0, 10 * number + take, 2.0) for take in range(8)]
            enrolling = pool.submit(speakers.enroll, library, f"ann-{number}", recordings)
            time.sleep(seconds)
            os.kill(services.pid("gateway"), signal.SIGKILL)
            os.waitpid(services.pid("gateway"), 0)
            services.launch("gateway")
            services.wait("gateway")
            error = enrolling.exception()
            assert error is None or isinstance(error, ServiceError)
            until(lambda: answers(running))
    states = (Speaker.STATE_CREATING, Speaker.STATE_UPDATING, Speaker.STATE_DELETING)
    until(lambda: not any(list(speakers.all_of(library, state)) for state in states))
    for speaker in speakers.all_of(library):
        assert speaker.enrollment_count
        assert speaker.voiceprint_revision == speaker.revision
        probe = record(tmp_path, 0, 99, 2.0)
        name = speaker.name.rpartition("/")[2]
        assert speakers.verify(library, name, probe).score.cosine > 0.9


def answers(running: Running) -> bool:
    """Returns True if the client has found the gateway again."""
    try:
        running.library()
    except ServiceError:
        return False
    return True


def test_who_was_never_enrolled_is_undone(stack: Open) -> None:
    """The gateway died before AddEnrollments."""
    library = stack.running.library()
    stack.create(library)
    speakers = stack.running.client.speakers
    assert list(speakers.all_of(library, Speaker.STATE_CREATING))
    until(lambda: not list(speakers.all_of(library, Speaker.STATE_CREATING)))


def test_a_deletion_that_broke_off_is_finished(stack: Open, tmp_path: Path) -> None:
    """Voiceprint, row and, as was asked, clips."""
    client, library = stack.running.client, stack.running.library()
    speaker = client.speakers.enroll(library, "ann", [record(tmp_path, 0, 0, 2.0)]).speaker
    assert len(stack.voiceprints(library)) == 1
    begun = speaker_pb2.BeginSpeakerDeletionRequest(name=speaker.name, delete_clips=True)
    stack.catalog.speakers.BeginSpeakerDeletion(begun)
    assert not client.speakers.identify(library, record(tmp_path, 0, 9, 2.0)).matches

    def gone() -> bool:
        try:
            client.speakers.get(library, "ann")
        except ServiceError as error:
            return error.reason is Reason.SPEAKER_NOT_FOUND
        return False

    until(gone)
    until(lambda: not stack.voiceprints(library))
    assert not client.search(library, record(tmp_path, 0, 0, 2.0)).matches


def test_voiceprints_and_rows_are_brought_together(stack: Open, tmp_path: Path) -> None:
    """A lost voiceprint is made again, and one without a speaker is removed."""
    client, library = stack.running.client, stack.running.library()
    client.speakers.enroll(library, "ann", [record(tmp_path, 0, 0, 2.0)])
    index, (kept,) = stack.index_of(library), stack.voiceprints(library)
    model = client.speakers.identify(library, record(tmp_path, 0, 9, 2.0)).model
    stray = [Vector(id=f"{'0' * 26}-1", values=[1.0, *[0.0] * 191])]
    stack.index.UpsertVectors(
        index_pb2.UpsertVectorsRequest(index_id=index, model=model, vectors=stray)
    )
    until(lambda: stack.voiceprints(library) == {kept})
    stack.index.DeleteVectors(index_pb2.DeleteVectorsRequest(index_id=index, ids=[kept]))
    until(lambda: client.speakers.identify(library, record(tmp_path, 0, 9, 2.0)).matches)
    stack.index.DropIndex(index_pb2.DropIndexRequest(index_id=index))

    refused: list[Reason] = []

    def known() -> bool:
        try:
            return bool(client.speakers.identify(library, record(tmp_path, 0, 9, 2.0)).matches)
        except ServiceError as error:
            refused.append(error.reason)
            return False

    until(known)
    assert set(refused) <= {Reason.INDEX_UNAVAILABLE}
