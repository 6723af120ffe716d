"""Calls without a contract at hand, by clients of its reflection, and through Envoy."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from tests import contracts
from tests.clients.conftest import run
from tests.deploy.deployment import Deployment
from tools.servers.debian import program

PACKAGE = "audiosearch.gateway.v1"
SEARCH = f"{PACKAGE}.SearchService"
CURL = (program("buf"), "curl", "--protocol", "grpc")


@pytest.fixture(params=["gateway", "envoy", "envoy with TLS"])
def curl(request: pytest.FixtureRequest, deployment: Deployment) -> tuple[list[str], str]:
    """A reflection client's command line, and the URL that it calls."""
    if request.param == "envoy with TLS":
        trust = ["--cacert", str(deployment.secrets / "tls.crt")]
        return [*CURL, *trust], f"https://localhost:{deployment.envoy.ports['public_tls']}"
    through = deployment.envoy.target("public")
    target = deployment.stack.target if request.param == "gateway" else through
    return [*CURL, "--http2-prior-knowledge"], f"http://{target}"


def test_list(curl: tuple[list[str], str]) -> None:
    """The services, and the methods of ours."""
    command, url = curl
    services = run(*command, "--list-services", url)
    assert services.returncode == 0, services.stderr
    assert {
        *(service.full_name for service in contracts.services("gateway")),
        "google.longrunning.Operations",
        "grpc.health.v1.Health",
    } <= set(services.stdout.split())
    methods = run(*command, "--list-methods", url)
    assert f"{SEARCH}/SearchClips" in methods.stdout.split()


def test_describe(deployment: Deployment) -> None:
    """A method with its messages and their fields, through Envoy."""
    with grpc.insecure_channel(deployment.envoy.target("public")) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName(SEARCH).FindMethodByName("SearchClips")
    assert method.input_type.full_name == "audiosearch.gateway.v1.SearchClipsRequest"
    assert {field.name for field in method.input_type.fields} >= {"config", "clip", "audio"}
    assert not method.client_streaming
    assert method.output_type.fields_by_name["matches"].message_type.name == "Match"


def test_calls(curl: tuple[list[str], str], deployment: Deployment, sounds: Path) -> None:
    """Make a library, upload in a stream, search with a sound; no contract at hand."""
    command, url = curl
    key = f"authorization: Bearer {deployment.key}"
    library = "reflection-" + re.sub(r"\W", "-", url)

    def call(method: str, *messages: object) -> dict[str, object]:
        data = "\n".join(json.dumps(message) for message in messages)
        done = run(*command, "-H", key, "-d", data, f"{url}/{PACKAGE}.{method}")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    made = call("LibraryService/CreateLibrary", {"library_id": library})
    assert made["name"] == f"libraries/{library}"
    sound = base64.b64encode((sounds / "bronze_bell_1.wav").read_bytes()).decode()
    clip = {"display_name": "bell"}
    config = {"parent": f"libraries/{library}", "clip": clip}
    upload = ({"config": config}, {"audio_chunk": sound})
    assert call("ClipService/UploadClip", *upload)["created"] is True
    search = {"config": {"parent": f"libraries/{library}", "k": 3}, "audio": sound}
    matches = call("SearchService/SearchClips", search)["matches"]
    assert [match["clip"]["displayName"] for match in matches] == ["bell"]  # type: ignore[attr-defined]
