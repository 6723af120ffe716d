"""The duties of every service to its operator: health, reflection, shutdown, settings, recovery."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local_stack import SERVICES
from serving.errors import Reason, ServiceError
from tests.contracts import services
from tests.end_to_end.command_line import run as line
from tests.end_to_end.conftest import Running, start
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.ports import free_ports
from tools.servers.processes import until

MODULES = ["gateway", "embedding_service", "index_service", "catalog_service"]
PORTS = {
    "gateway": "AUDIOSEARCH_GATEWAY_PORT",
    "embedding_service": "AUDIOSEARCH_EMBEDDING_PORT",
    "index_service": "AUDIOSEARCH_INDEX_PORT",
    "catalog_service": "AUDIOSEARCH_CATALOG_PORT",
}


def health(target: str) -> str:
    """The overall health at an address."""
    with grpc.insecure_channel(target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def module(name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a service's module to its end."""
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", MODULES)
def test_help_lists_every_setting(name: str) -> None:
    """With default and meaning."""
    done = module(name, "--help")
    assert done.returncode == 0
    assert PORTS[name] in done.stdout
    assert "default: 127.0.0.1" in done.stdout


@pytest.mark.parametrize("name", MODULES)
def test_a_bad_setting_stops_the_start_and_is_named(name: str) -> None:
    """One line, no trace."""
    done = module(name, **{PORTS[name]: "many"})
    assert done.returncode == 2
    assert PORTS[name] in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def loading(name: str, folder: Path) -> subprocess.Popen[str]:
    """A service that was started a moment ago, with data of its own."""
    folder.mkdir()
    settings = {"AUDIOSEARCH_OFFLINE": "1", "PPSPEECH_HOME": str(folder), PORTS[name]: "0"}
    settings |= {"AUDIOSEARCH_DATA_DIR": str(folder), "AUDIOSEARCH_DRAIN_SECONDS": "0"}
    settings["AUDIOSEARCH_REST_PORT"] = "0"
    return subprocess.Popen(
        [sys.executable, "-m", name],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("name", MODULES)
def test_sigterm_ends_a_service_that_is_still_loading(name: str, tmp_path: Path) -> None:
    """At once and without a trace, whenever it comes."""
    processes, begun = [loading(name, tmp_path / str(n)) for n in range(3)], time.monotonic()
    for process, moment in zip(processes, (0.5, 1.3, 2.0), strict=True):
        time.sleep(max(0, begun + moment - time.monotonic()))
        process.terminate()
    for process in processes:
        said, _ = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGTERM)
        assert "Traceback" not in said


@pytest.mark.parametrize("service", SERVICES)
def test_reflection_lists_the_services(shared: Running, service: str) -> None:
    """As grpcurl would ask; buf curl speaks the same."""
    target = shared.stack.addresses.target(service)
    buf = Path(sys.executable).with_name("buf")
    command = [buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge"]
    done = subprocess.run(
        [*command, "--list-services", f"http://{target}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ours = {each.full_name for each in services(service)}
    assert {*ours, "grpc.health.v1.Health"} <= set(done.stdout.split())


def test_a_reflection_client_calls_without_our_contracts(shared: Running) -> None:
    """Errors come back with their reason."""
    buf = Path(sys.executable).with_name("buf")
    method = "audiosearch.gateway.v1.LibraryService/GetLibrary"
    done = subprocess.run(
        [
            *(buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
            *("-d", json.dumps({"name": "libraries/nowhere"})),
            f"http://{shared.stack.target}/{method}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert '"code": "not_found"' in done.stderr
    assert "google.rpc.ErrorInfo" in done.stderr


def kill(running: Running, service: str) -> None:
    """Ends a service as a crash would; the gateway notices."""
    os.kill(running.stack.pid(service), signal.SIGKILL)
    os.waitpid(running.stack.pid(service), 0)
    until(lambda: health(running.stack.target) == "NOT_SERVING")


def launch(running: Running, service: str) -> None:
    """Starts a service that was killed; the gateway notices."""
    running.stack.launch(service)
    running.stack.wait(service)
    until(lambda: health(running.stack.target) == "SERVING")


def test_health_is_true_and_everything_recovers_by_itself(fragile: Running, sounds: Path) -> None:
    """A service behind the gateway dies: NOT_SERVING and a typed error, until it is back."""
    library = fragile.library()
    fragile.client.upload(library, sounds / "bronze_bell_1.wav")
    expected = {
        "embedding": Reason.EMBEDDING_UNAVAILABLE,
        "index": Reason.INDEX_UNAVAILABLE,
        "catalog": Reason.CATALOG_UNAVAILABLE,
    }
    for service, reason in expected.items():
        kill(fragile, service)
        if sys.platform == "linux":  # nobody takes its port meanwhile
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", fragile.stack.addresses.ports[service]))
        with pytest.raises(ServiceError) as raised:
            fragile.client.search(library, sounds / "bronze_bell_1.wav")
        assert raised.value.reason is reason
        launch(fragile, service)
        answer = fragile.client.search(library, sounds / "bronze_bell_1.wav")
        assert answer.matches[0].clip.display_name == "bronze_bell_1.wav"


def test_a_script_waits_until_all_services_are_serving(fragile: Running) -> None:
    """As long as it says, also for a gateway that is not there yet; exit code 3 tells the rest."""
    target = {"AUDIOSEARCH_TARGET": fragile.stack.target}
    kill(fragile, "index")
    assert "index      not serving" in line("status", "--wait", 1, code=3, **target).stdout
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(line, "status", "--wait", 300, **target)
        launch(fragile, "index")
        assert "not serving" not in waiting.result().stdout
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    refusal = line("status", "--wait", 1, code=1, AUDIOSEARCH_TARGET=nobody).stderr
    assert Reason.GATEWAY_UNAVAILABLE.value in refusal


def test_a_restarted_stack_gives_the_same_answers(tmp_path: Path, sounds: Path) -> None:
    """All is on disk; at SIGTERM each process ended with exit code 0."""
    paths = sorted(sounds.iterdir())[:8]
    with start(tmp_path) as running:
        library = running.library()
        for path in paths:
            running.client.upload(library, path)
        before = [running.client.search(library, path) for path in paths]
        processes = dict(running.stack._processes)
    assert [process.returncode for process in processes.values()] == [0, 0, 0, 0]
    with start(tmp_path) as running:
        after = [running.client.search(library, path) for path in paths]
    assert after == before


@contextmanager
def encoder(running: Running, **settings: str) -> Iterator[None]:
    """Gives the embedding service other settings, for the block."""
    usual = dict(running.stack._settings)
    try:
        running.stack._settings |= settings
        kill(running, "embedding")
        launch(running, "embedding")
        yield
    finally:
        running.stack._settings = usual
        kill(running, "embedding")
        launch(running, "embedding")


def test_a_deletion_that_has_begun_goes_on(fragile: Running, sounds: Path) -> None:
    """The error says so, the library is out of use at once, and a repeat ends it."""
    library, client = fragile.library(), fragile.client
    client.upload(library, sounds / "bronze_bell_1.wav")
    request = library_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True)
    kill(fragile, "index")
    with pytest.raises(ServiceError) as raised:
        client.call(client.stubs.libraries.DeleteLibrary, request)
    launch(fragile, "index")
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert "is being deleted, which goes on by itself" in raised.value.message
    with pytest.raises(ServiceError) as raised:
        client.upload(library, sounds / "bronze_bell_1.wav")
    assert raised.value.reason in {Reason.STATE_CONFLICT, Reason.LIBRARY_NOT_FOUND}
    client.call(client.stubs.libraries.DeleteLibrary, request)
    with pytest.raises(ServiceError) as raised:
        client.upload(library, sounds / "bronze_bell_1.wav")
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_what_was_interrupted_is_finished_or_undone(tmp_path: Path, sounds: Path) -> None:
    """A clip whose audio is there becomes searchable, one without goes, a begun deletion ends.

    A clip that was on its way out of the trash gets there, and what is in it too long goes.
    """
    settings = {
        "AUDIOSEARCH_STALE_SECONDS": "1",
        "AUDIOSEARCH_RECONCILE_SECONDS": "1",
        "AUDIOSEARCH_TRASH_DAYS": "0.00005",
    }
    with start(tmp_path, **settings) as running:
        library = running.library()
        gone = running.client.upload(library, sounds / "bronze_bell_3.wav").clip
        with grpc.insecure_channel(running.stack.addresses.target("catalog")) as channel:
            catalog = CatalogStubs(channel)
            stored, empty = (
                catalog.clips.CreateClip(
                    clip_pb2.CreateClipRequest(
                        parent=f"libraries/{library}", clip=Clip(display_name=name)
                    )
                )
                for name in ("stored", "empty")
            )
            audio = (sounds / "bronze_bell_1.wav").read_bytes()
            catalog.clips.PutAudio(
                iter(
                    [
                        clip_pb2.PutAudioRequest(name=stored.name),
                        clip_pb2.PutAudioRequest(chunk=audio),
                    ]
                )
            )

            def state(name: str) -> str:
                try:
                    clip = catalog.clips.GetClip(clip_pb2.GetClipRequest(name=name))
                except grpc.RpcError as error:
                    return str(error.code().name)
                return str(Clip.State.Name(clip.state))

            until(lambda: state(stored.name) == "STATE_ACTIVE")
            until(lambda: state(empty.name) == "NOT_FOUND")
            answer = running.client.search(library, sounds / "bronze_bell_1.wav", k=5)
            assert {match.clip.name for match in answer.matches} == {stored.name, gone.name}
            catalog.clips.BeginClipDeletion(clip_pb2.BeginClipDeletionRequest(name=gone.name))
            answer = running.client.search(library, sounds / "bronze_bell_1.wav", k=5)
            assert [match.clip.name for match in answer.matches] == [stored.name]

            back, old = (
                running.client.upload(library, sounds / f"{name}.wav").clip
                for name in ("bronze_bell_2", "sword_clash_1")
            )
            catalog.clips.TrashClip(clip_pb2.TrashClipRequest(name=back.name))
            catalog.clips.RestoreClip(clip_pb2.RestoreClipRequest(name=back.name))
            running.client.call(
                running.client.stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=old.name)
            )
            assert state(old.name) == "STATE_TRASHED"
            until(lambda: state(back.name) == "STATE_ACTIVE")
            until(lambda: state(old.name) == "NOT_FOUND")
            answer = running.client.search(library, sounds / "bronze_bell_2.wav", k=5)
            assert answer.matches[0].clip.name == back.name
