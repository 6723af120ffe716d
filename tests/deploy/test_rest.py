"""REST and the web client behind Envoy, with the real gateways."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
from pathlib import Path

import pytest

from tests.deploy.deployment import Deployment, until

SECONDS = 60


def connect(deployment: Deployment) -> http.client.HTTPConnection:
    """A connection to the public port."""
    return http.client.HTTPConnection(deployment.envoy.target("public"), timeout=SECONDS)


def ask(
    deployment: Deployment,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """Status and body of a request to the public port."""
    connection = connect(deployment)
    connection.request(method, path, body=body, headers=headers or {})
    reply = connection.getresponse()
    return reply.status, reply.read()


def test_pages_and_rest_share_the_port_with_grpc(deployment: Deployment, library: str) -> None:
    """Plain and by TLS: the page, its documentation, and clips stored by gRPC."""
    assert b"<html" in ask(deployment, "GET", "/")[1]
    assert b"swagger" in ask(deployment, "GET", "/docs")[1]
    trusted = ssl.create_default_context(cafile=str(deployment.secrets / "tls.crt"))
    port = deployment.envoy.ports["public_tls"]
    secure = http.client.HTTPSConnection("localhost", port, timeout=SECONDS, context=trusted)
    secure.request("GET", f"/v1/libraries/{library}?view=LIBRARY_VIEW_FULL")
    reply = secure.getresponse()
    assert reply.status == 200
    assert json.load(reply)["clipCount"] == "6"


def test_uploads_may_be_larger_than_any_message(
    deployment: Deployment, library: str, sounds: Path
) -> None:
    """Raw bytes of 12 MiB go through, and come back by ranges."""
    body = (sounds / "bronze_bell_3.wav").read_bytes() + bytes(12 * 2**20)
    path = f"/v1/libraries/{library}/clips"
    status, answer = ask(deployment, "POST", f"{path}?displayName=large", body)
    assert status == 200, answer
    clip = json.loads(answer)["clip"]
    assert clip["audioObject"]["sizeBytes"] == str(len(body))
    last = {"Range": "bytes=-7"}
    status, answer = ask(deployment, "GET", f"/v1/{clip['name']}/audio", headers=last)
    assert (status, answer) == (206, body[-7:])
    assert ask(deployment, "DELETE", f"/v1/{clip['name']}")[0] == 200


def test_results_come_as_events(deployment: Deployment, library: str, sounds: Path) -> None:
    """Each for itself, in the order of similarity."""
    body = (sounds / "bronze_bell_1.wav").read_bytes()
    path = f"/v1/libraries/{library}/clips:streamSearch?k=2"
    status, answer = ask(deployment, "POST", path, body)
    assert status == 200
    kinds = [line for line in answer.decode().splitlines() if line.startswith("event: ")]
    assert kinds == ["event: summary", "event: match", "event: match", "event: done"]


def test_an_import_is_watched_while_it_goes_on(deployment: Deployment, sounds: Path) -> None:
    """Events arrive as they are made, the last one with the end."""
    folder = deployment.secrets / "imports" / "watched"
    shutil.copytree(sounds, folder)
    name = deployment.library("watched")
    body = json.dumps({"folder": str(folder)}).encode()
    status, answer = ask(deployment, "POST", f"/v1/libraries/{name}/clips:import", body)
    assert status == 200, answer
    connection = connect(deployment)
    connection.request("GET", f"/v1/{json.loads(answer)['name']}:watch")
    reply = connection.getresponse()
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = [line.decode() for line in reply if line.startswith(b"data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [each["done"] for each in events] == [False] * (len(events) - 1) + [True]
    assert events[-1]["metadata"]["progress"]["imported"] == "20"


def test_errors_are_the_gateways_own(deployment: Deployment) -> None:
    """With its JSON and the request's id, which Envoy made."""
    connection = connect(deployment)
    connection.request("GET", "/v1/libraries/nobody-has-this")
    reply = connection.getresponse()
    assert reply.status == 404
    assert reply.headers["x-request-id"]
    (detail,) = json.load(reply)["error"]["details"]
    assert detail["reason"] == "LIBRARY_NOT_FOUND"


def test_the_gateway_says_which_pages_may_call(deployment: Deployment) -> None:
    """Envoy's own list is for gRPC-Web."""
    own = f"http://{deployment.envoy.target('public')}"
    path, other = "/v1/libraries?libraryId=from-a-page", "http://localhost:3000"
    assert ask(deployment, "POST", path, headers={"Origin": other})[0] == 403
    assert ask(deployment, "POST", path, headers={"Origin": own})[0] == 200
    asking = {"Origin": other, "Access-Control-Request-Method": "POST"}
    assert ask(deployment, "OPTIONS", path, headers=asking)[0] == 405


@pytest.mark.parametrize("path", ["/v1/a%2F..%2Fb", "/v1/a%5Cb"])
def test_slashes_in_disguise_are_refused(deployment: Deployment, path: str) -> None:
    """Envoy and the server behind it would read them differently."""
    assert ask(deployment, "GET", path)[0] == 400


def test_a_gateway_that_dies_costs_no_reading(deployment: Deployment, library: str) -> None:
    """The other one answers, and both do once it is back."""
    replica = deployment.replicas["gateway"]
    replica.kill()
    try:
        for _ in range(20):
            assert ask(deployment, "GET", f"/v1/libraries/{library}")[0] == 200
    finally:
        replica.start()
    until(lambda: len(deployment.envoy.healthy("gateway_rest")) == 2)
    until(lambda: deployment.envoy.healthy("gateway") == replica.ports)
