"""The contents of the images: the Dockerfile, each service's packages, the programs inside."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.container import PORTS, adopt_secrets, module
from tests.conftest import REPOSITORY
from tests.deploy.deployment import Deployment
from tools.servers.ports import free_ports

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # mypy brings it where Python has none

DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"
HEAVY = {"paddlepaddle", "openvino", "onnx", "av"}
"""Packages that only the embedding service needs."""


def run(*command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of this environment to its end."""
    return subprocess.run(
        command,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_dockerfile_is_clean() -> None:
    """Hadolint finds nothing."""
    done = run(Path(sys.executable).with_name("hadolint"), DOCKERFILE)
    assert done.returncode == 0, done.stdout


def test_the_image_does_not_run_as_root_and_tells_its_health() -> None:
    """The last stage ends with a numeric user, and asks the gRPC health."""
    last_stage = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*$", last_stage, re.MULTILINE)
    assert '"deploy.container", "health"' in last_stage
    images = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    assert images
    assert all(re.search(r":\d", image) for image in images)


def brought_by(extra: str) -> set[str]:
    """Names of all distributions that `pip install .[extra]` brings, as their metadata say."""
    found: set[str] = set()
    followed: set[str] = set()

    def follow(requirement: Requirement) -> None:
        if str(requirement) in followed:
            return
        followed.add(str(requirement))
        found.add(requirement.name.lower().replace("_", "-").replace(".", "-"))
        for text in importlib.metadata.requires(requirement.name) or ():
            inner = Requirement(text)
            wanted = requirement.extras or {""}
            if not inner.marker or any(inner.marker.evaluate({"extra": each}) for each in wanted):
                follow(inner)

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for text in (*project["dependencies"], *project["optional-dependencies"][extra]):
        requirement = Requirement(text)
        if not requirement.marker or requirement.marker.evaluate():
            follow(requirement)
    return found


@pytest.mark.parametrize("service", ["index", "catalog", "gateway"])
def test_only_embedding_brings_paddle(service: str) -> None:
    """Nor anything else that is there for the model, directly or through another package."""
    assert not brought_by(service) & HEAVY
    assert "grpcio" in brought_by(service)


def test_embedding_brings_what_it_needs() -> None:
    """The same look at its own extras finds them, so the test above does look."""
    assert HEAVY - {"paddlepaddle"} == HEAVY & brought_by("embedding")
    assert brought_by("paddle") >= HEAVY
    assert "paddlepaddle" not in brought_by("stack")


@pytest.mark.parametrize("service", ["index", "catalog", "gateway"])
def test_the_others_import_nothing_of_it(service: str) -> None:
    """Not even where it is installed."""
    script = (
        f"import sys, runpy; runpy.run_module('{module(service)}.__main__', run_name='imported');"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert not imported & {"paddle", "paddlespeech", "openvino", "onnx", "av", "embedding_service"}
    assert module(service) in imported


def test_secrets_become_variables(tmp_path: Path) -> None:
    """Files named like variables, without their last line break; what is set stays."""
    (tmp_path / "MYSQL_PWD").write_text("from a file\n")
    (tmp_path / "MILVUS_PASSWORD").write_text("from a file\n")
    (tmp_path / "tls.key").write_text("not for the environment\n")
    environment = {"MILVUS_PASSWORD": "set"}
    adopt_secrets(tmp_path, environment)
    assert environment == {"MYSQL_PWD": "from a file", "MILVUS_PASSWORD": "set"}


def test_a_container_tells_the_health_of_its_service(deployment: Deployment) -> None:
    """By its exit code."""
    program = (sys.executable, "-m", "deploy.container", "health")
    for service, port in deployment.stack.addresses.ports.items():
        name = f"AUDIOSEARCH_{service.upper()}_PORT"
        rest = str(deployment.stack.addresses.rest)
        settings = {name: str(port), "AUDIOSEARCH_REST_PORT": rest}
        assert run(*program, SERVICE=service, **settings).returncode == 0
    (nobody,) = map(str, free_ports(1))
    gone = run(*program, SERVICE="index", AUDIOSEARCH_INDEX_PORT=nobody)
    assert gone.returncode == 1
    assert "UNAVAILABLE" in gone.stderr
    grpc = str(deployment.stack.addresses.ports["gateway"])
    half = {"AUDIOSEARCH_GATEWAY_PORT": grpc, "AUDIOSEARCH_REST_PORT": nobody}
    gone = run(*program, SERVICE="gateway", **half)
    assert gone.returncode == 1
    assert "refused" in gone.stderr


@pytest.mark.parametrize("service", PORTS)
def test_a_container_starts_its_service(service: str) -> None:
    """In its own place: the service itself says what is wrong with its settings."""
    name = f"AUDIOSEARCH_{service.upper()}_PORT"
    program = (sys.executable, "-m", "deploy.container", "start")
    done = run(*program, SERVICE=service, **{name: "many"})
    assert done.returncode == 2
    assert done.stderr.startswith(f"{module(service)}: {name}")


def test_a_container_without_a_service_says_so() -> None:
    """And how it is meant."""
    done = run(sys.executable, "-m", "deploy.container", "start", SERVICE="")
    assert done.returncode == 2
    assert "SERVICE is one of gateway, embedding, index, catalog" in done.stderr


@pytest.mark.parametrize(
    ("package", "home"),
    [
        ("paddlespeech", "Makefile"),
        ("paddlespeech", "embedding_service/checkpoints/official.py"),
        ("paddlepaddle", "embedding_service/checkpoints/official.py"),
        ("wavesurfer", "constraints.txt"),
    ],
)
def test_versions_that_stand_twice_are_alike(package: str, home: str) -> None:
    """In the extras or the images, and where users are told of them."""
    version = re.compile(rf"{package}==[\d.]+")
    (pinned,) = version.findall((REPOSITORY / home).read_text())
    elsewhere = DOCKERFILE.read_text() + (REPOSITORY / "pyproject.toml").read_text()
    assert set(version.findall(elsewhere)) == {pinned}
