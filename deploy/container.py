"""The program of the containers: `python -m deploy.container start` and `... health`.

The environment variable SERVICE names the service.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.tls.files import Tls

PORTS = {"gateway": 50050, "embedding": 50051, "index": 50052, "catalog": 50053}
REST_PORT = "8002"
SECRETS = Path("/run/secrets")
HEALTH_SECONDS = 4.0


def adopt_secrets(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Sets a variable from each file that is named like one, such as MYSQL_PWD.

    Keeps variables that are set already, and ignores other files.
    """
    for path in sorted(folder.glob("*")):
        if path.name.isidentifier() and path.name.isupper():
            environment.setdefault(path.name, path.read_text().strip())


def module(service: str) -> str:
    """Returns the Python module of a service."""
    return service if service == "gateway" else f"{service}_service"


def target(service: str) -> str:
    """Returns the address on which the service of this container listens."""
    port = os.environ.get(f"AUDIOSEARCH_{service.upper()}_PORT") or PORTS[service]
    return f"127.0.0.1:{port}"


def serving(address: str) -> bool:
    """Returns True if the gRPC health of an address is SERVING."""
    with Tls.of(os.environ).connect_to_own(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=HEALTH_SECONDS
            )
        except grpc.RpcError as error:
            sys.stderr.write(f"{address}: {error.code().name}\n")
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def rest_serving(port: str, tls: Tls) -> bool:
    """Returns True if REST on a port of this machine answers that it is healthy."""
    context = tls.context_of_own()
    place = ("127.0.0.1", int(port))
    try:
        connection = (
            http.client.HTTPSConnection(*place, timeout=HEALTH_SECONDS, context=context)
            if context
            else http.client.HTTPConnection(*place, timeout=HEALTH_SECONDS)
        )
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"127.0.0.1:{port}: {error}\n")
        return False


def healthy(service: str) -> bool:
    """Returns True if gRPC, and for the gateway also REST, is healthy."""
    rest = os.environ.get("AUDIOSEARCH_REST_PORT") or REST_PORT
    if service == "gateway" and rest != "none" and not rest_serving(rest, Tls.of(os.environ)):
        return False
    return serving(target(service))


def start(service: str) -> NoReturn:
    """Replaces this process by the service, so that the service gets the container's signals."""
    adopt_secrets(SECRETS, os.environ)
    os.execv(sys.executable, [sys.executable, "-m", module(service)])  # noqa: S606  no shell


def main(arguments: list[str]) -> int:
    """Starts the service, or returns its health as the exit code: 0 if healthy, else 1."""
    service = os.environ.get("SERVICE", "")
    if service not in PORTS or arguments not in (["start"], ["health"]):
        sys.stderr.write(f"{__doc__}SERVICE is one of {', '.join(PORTS)}.\n")
        return 2
    if arguments == ["health"]:
        return 0 if healthy(service) else 1
    return start(service)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
