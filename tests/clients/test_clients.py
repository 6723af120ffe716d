"""Clients in other languages, generated from protos/, upload and search."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from audiosearch_client.client import AudiosearchClient

from tests.clients.conftest import run
from tests.deploy.deployment import Deployment
from tools.servers.debian import program

pytestmark = pytest.mark.timeout(1500)  # the first run installs and builds

CLIPS = ("bronze_bell_1.wav", "bronze_bell_2.wav", "sword_clash_1.wav", "knife_on_wood_1.wav")
QUERY = "bronze_bell_1.wav"
UPLOADED = re.compile(r"libraries/[\w-]+/clips/\w+ STATE_ACTIVE (created|existing)\n")


def ranking(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Names in the order of a client's output, whose scores must fall."""
    assert done.returncode == 0, done.stderr
    rows = [line.split(" ", 1) for line in done.stdout.splitlines()]
    scores = [float(score) for score, _ in rows]
    assert scores == sorted(scores, reverse=True)
    return [name for _, name in rows]


def uploads_and_searches(client: list[str | Path], library: str, sounds: Path) -> None:
    """Sends four clips, one of them twice, and searches with one."""
    for name in CLIPS:
        done = run(*client, "upload", library, sounds / name)
        assert done.returncode == 0, done.stderr
        assert UPLOADED.fullmatch(done.stdout)[1] == "created"  # type: ignore[index]
    done = run(*client, "upload", library, sounds / QUERY)
    assert UPLOADED.fullmatch(done.stdout)[1] == "existing"  # type: ignore[index]
    names = ranking(run(*client, "search", library, sounds / QUERY))
    assert names[:2] == ["bronze_bell_1.wav", "bronze_bell_2.wav"]
    assert len(names) == 3


def says_why(client: list[str | Path], missing: str, unknown: str, sounds: Path) -> None:
    """No such library, no key: exit code 1, the code and a sentence of the server's."""
    for command in ("upload", "search"):
        done = run(*client, command, "nowhere", sounds / QUERY)
        assert done.returncode == 1
        assert done.stderr.startswith(missing)
        assert "nowhere" in done.stderr
        done = run(*client, command, "nowhere", sounds / QUERY, AUDIOSEARCH_API_KEY="")
        assert done.returncode == 1
        assert done.stderr.startswith(unknown)
    assert run(*client).returncode == 2


def test_node(deployment: Deployment, sounds: Path, node: Path) -> None:
    """@grpc/grpc-js, through Envoy."""
    client = [program("node"), node / "client.mjs", deployment.envoy.target("public")]
    uploads_and_searches(client, deployment.library("node"), sounds)
    says_why(client, "NOT_FOUND: ", "UNAUTHENTICATED: ", sounds)


def test_node_without_envoy(deployment: Deployment, sounds: Path, node: Path) -> None:
    """The gateway itself, as in the README."""
    client = [program("node"), node / "client.mjs", deployment.stack.target]
    uploads_and_searches(client, deployment.library("node-direct"), sounds)


def test_a_browsers_client(deployment: Deployment, sounds: Path, node: Path) -> None:
    """@connectrpc/connect-web over gRPC-Web: a message, a stream back, an error."""
    library = deployment.library("web")
    with AudiosearchClient(deployment.stack.target, key=deployment.key) as client:
        for name in CLIPS:
            client.upload(library, sounds / name)
    web = [program("node"), node / "web_client.mjs", f"http://{deployment.envoy.target('public')}"]
    done = run(*web, library, sounds / QUERY)
    assert done.returncode == 0, done.stderr
    *matches, size = done.stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in matches][:2] == [*CLIPS[:2]]
    assert size == f"{(sounds / QUERY).stat().st_size} bytes"
    done = run(*web, "nowhere", sounds / QUERY)
    assert done.returncode == 1
    assert done.stderr.startswith("NotFound: ")


def test_cpp(deployment: Deployment, sounds: Path, cpp: Path) -> None:
    """grpc++, through Envoy."""
    client: list[str | Path] = [cpp, deployment.envoy.target("public")]
    uploads_and_searches(client, deployment.library("cpp"), sounds)
    says_why(client, "code 5: ", "code 16: ", sounds)


def test_tls(deployment: Deployment, sounds: Path, node: Path, cpp: Path) -> None:
    """Both through Envoy's TLS port, trusting its certificate and nothing else."""
    target = f"localhost:{deployment.envoy.ports['public_tls']}"
    trusted = {"AUDIOSEARCH_TLS_CA": str(deployment.secrets / "tls.crt")}
    library = deployment.library("tls")
    for number, client in enumerate(([program("node"), node / "client.mjs"], [cpp])):
        clip = sounds / CLIPS[number]
        assert UPLOADED.fullmatch(run(*client, target, "upload", library, clip, **trusted).stdout)
        assert clip.name in ranking(run(*client, target, "search", library, clip, **trusted))
        assert run(*client, target, "search", library, clip).returncode == 1


def test_the_lock_names_no_place() -> None:
    """Npm takes the packages from wherever it is set to."""
    lock = (Path(__file__).parent / "node" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
