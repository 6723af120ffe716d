"""The Helm chart: what it refuses, and that its objects fit the services, Envoy and each other."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from audiosearch_cli.bulk.commands import app as bulk
from typer.main import get_command

from deploy.container import PORTS
from deploy.new_secrets import CERTIFICATE, KEY
from deploy.new_secrets import write as write_secrets
from serving.server import LIVENESS
from tests.conftest import REPOSITORY
from tests.deploy import envoy
from tools.chart import NEEDED, VARIANTS, ChartError, ray_pods, rendered
from tools.settings_page import SERVICES, variable

Objects = dict[tuple[str, str], dict[str, Any]]
EVERYTHING = {**NEEDED, **VARIANTS["everything"]}
BULK = {**NEEDED, **VARIANTS["a bulk import"]}


def by_name(objects: list[dict[str, Any]]) -> Objects:
    """Objects by their kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


@pytest.fixture(scope="module")
def whole() -> Objects:
    """All that the chart can make."""
    return by_name(rendered(EVERYTHING))


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    """The templates of the pods, by the name of their part."""
    return {
        name.removeprefix("sounds-"): each["spec"]["template"]
        for (kind, name), each in objects.items()
        if kind == "Deployment"
    }


def container(pod: dict[str, Any]) -> dict[str, Any]:
    """The container of a pod."""
    (only,) = pod["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("name", NEEDED)
def test_a_value_that_is_missing_is_named(name: str) -> None:
    """With a sentence that says what it is."""
    with pytest.raises(ChartError, match=rf"{re.escape(name)} names "):
        rendered({key: value for key, value in NEEDED.items() if key != name})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"gatway.replicas": "2"}, "gatway"),
        ({"gateway.replicas": "0"}, "/gateway/replicas"),
        ({"embedding.settings.top-k": "2"}, "top-k"),
        ({"catalog.replicas": "2"}, "audio.accessMode"),
        ({"gatewayApi.enabled": "true"}, "gatewayApi.parents"),
        ({"bulk.enabled": "true"}, "bulk.source names"),
        ({**BULK, "bulk.claim": ""}, "bulk.claim names"),
        ({**BULK, "bulk.source": "it's"}, "/bulk/source"),
        ({**BULK, "bulk.name": "Two words"}, "/bulk/name"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, str], named: str) -> None:
    """By the name of the value."""
    with pytest.raises(ChartError, match=re.escape(named)):
        rendered({**NEEDED, **values})


def test_each_service_knows_all_its_settings(whole: Objects) -> None:
    """No variable in a pod is unknown to its service, and no password stands in one."""
    for part, kind in SERVICES.items():
        known = {variable(name, field) for name, field in kind.model_fields.items()}
        settings = [each["name"] for each in container(pods(whole)[part])["env"]]
        assert set(settings) <= known
        assert len(set(settings)) == len(settings)
        assert not [name for name in settings if re.search("PWD|PASSWORD|TOKEN", name)]


def test_recordings_in_a_bucket_need_no_volume() -> None:
    """Catalogs share it. They have its address and its key, and nothing else to write to."""
    objects = by_name(rendered({**NEEDED, **VARIANTS["a bucket"]}))
    assert not [name for kind, name in objects if kind == "PersistentVolumeClaim"]
    pod = pods(objects)["catalog"]
    own = container(pod)
    settings = {each["name"]: each["value"] for each in own["env"]}
    assert settings["AUDIOSEARCH_AUDIO_URL"] == VARIANTS["a bucket"]["audio.url"]
    assert [each["secretRef"]["name"] for each in own["envFrom"]] == ["mysql", "bucket"]
    assert [each["name"] for each in own["volumeMounts"]] == ["scratch"]
    assert [each["name"] for each in pod["spec"]["volumes"]] == ["scratch"]


def test_the_ports_are_those_of_the_services(whole: Objects) -> None:
    """Probes and addresses."""
    for part, port in PORTS.items():
        own = container(pods(whole)[part])
        assert {"name": "grpc", "containerPort": port} in own["ports"]
        assert own["readinessProbe"]["grpc"] == {"port": port}
        for probe in ("livenessProbe", "startupProbe"):
            assert own[probe]["grpc"] == {"port": port, "service": LIVENESS}


def test_envoy_finds_every_service(whole: Objects) -> None:
    """Each address and port of its configuration is a Service with such a port, of such pods."""
    config = yaml.safe_load(whole["ConfigMap", "sounds-envoy"]["data"]["envoy.yaml"])
    for cluster in config["static_resources"]["clusters"]:
        (place,) = cluster["load_assignment"]["endpoints"]
        (one,) = place["lb_endpoints"]
        socket = one["endpoint"]["address"]["socket_address"]
        service = whole["Service", socket["address"]]["spec"]
        assert service["clusterIP"] == "None"
        (port,) = (each for each in service["ports"] if each["port"] == socket["port_value"])
        (pod,) = (
            each
            for each in pods(whole).values()
            if service["selector"].items() <= each["metadata"]["labels"].items()
        )
        names = {each["name"]: each["containerPort"] for each in container(pod)["ports"]}
        assert names[port["targetPort"]] == socket["port_value"]


def test_the_gateway_calls_the_others_through_envoy(whole: Objects) -> None:
    """At ports of its Service that its listeners have."""
    settings = {each["name"]: each["value"] for each in container(pods(whole)["gateway"])["env"]}
    ports = {each["port"] for each in whole["Service", "sounds-envoy"]["spec"]["ports"]}
    for part in {*PORTS} - {"gateway"}:
        target = settings[f"AUDIOSEARCH_{part.upper()}_TARGET"]
        assert target == f"sounds-envoy:{PORTS[part]}"
        assert PORTS[part] in ports


@pytest.mark.parametrize("variant", ["as it comes", "everything"])
def test_the_real_envoy_takes_the_configuration(variant: str, tmp_path: Path) -> None:
    """It is deploy/envoy.yaml but for addresses, with the TLS listener where there is a pair."""
    objects = by_name(rendered({**NEEDED, **VARIANTS[variant]}))
    text = objects["ConfigMap", "sounds-envoy"]["data"]["envoy.yaml"]
    expected = envoy.load()
    if variant == "as it comes":
        listeners = expected["static_resources"]["listeners"]
        listeners[:] = [each for each in listeners if each["name"] != "public_tls"]
    as_before = re.sub(r"address: sounds-(gateway|embedding|index|catalog)\b", r"address: \1", text)
    assert yaml.safe_load(as_before) == json.loads(json.dumps(expected))
    write_secrets(tmp_path)
    for name in (CERTIFICATE, KEY):
        text = text.replace(f"/run/secrets/{name}", str(tmp_path / name))
    file = tmp_path / "envoy.yaml"
    file.write_text(text)
    done = envoy.validate(file)
    assert done.returncode == 0, done.stderr


def test_only_envoy_is_open(whole: Objects) -> None:
    """Each pod has a policy; those of the services let in Envoy and the namespace of Prometheus."""
    policies = {
        name: each["spec"] for (kind, name), each in whole.items() if kind == "NetworkPolicy"
    }
    assert set(policies) == {f"sounds-{part}" for part in (*PORTS, "envoy")}
    for part in PORTS:
        calls, scrapes = policies[f"sounds-{part}"]["ingress"]
        (caller,) = calls["from"]
        assert caller["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "envoy"
        assert scrapes["ports"] == [{"port": "metrics"}]
    public, inner = policies["sounds-envoy"]["ingress"]
    assert public == {"ports": [{"port": "public"}, {"port": "public-tls"}]}
    (gateway,) = inner["from"]
    assert gateway["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"


def test_pods_can_do_little(whole: Objects) -> None:
    """No root, no capability, a read-only file system, no token, limited memory, pinned images."""
    for pod in pods(whole).values():
        own, security = container(pod), pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert own["securityContext"]["readOnlyRootFilesystem"] is True
        assert own["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert own["resources"]["limits"]["memory"]
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert re.search(r":v?\d+\.\d+\.\d+$", own["image"])


def test_a_bulk_import_is_a_job_of_ray(whole: Objects) -> None:
    """Of commands and options that are there, in pods that can do little; none unless wanted."""
    assert not [name for kind, name in whole if kind == "RayJob"]
    objects = rendered(BULK)
    job = by_name(objects)["RayJob", "sounds-bulk-first"]["spec"]
    (pinned,) = re.findall(
        r"^ray==(\S+)", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE
    )
    assert job["rayClusterSpec"]["rayVersion"] == pinned
    assert job["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    words = shlex.split(job["entrypoint"])
    names = [words[at + 2] for at, word in enumerate(words) if word == "audiosearch"]
    assert names == ["plan", "embed", "load"]
    commands = get_command(bulk).commands  # type: ignore[attr-defined]
    options = {each for name in names for param in commands[name].params for each in param.opts}
    assert {word for word in words if word.startswith("--")} <= options
    head, worker = ray_pods(objects)
    for pod in (head, worker):
        own, security = container(pod), pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert own["securityContext"]["readOnlyRootFilesystem"] is True
        assert own["resources"]["limits"]["memory"]
        assert [each["secretRef"]["name"] for each in own["envFrom"]] == ["recordings"]
        assert {"name": "work", "mountPath": "/work"} in own["volumeMounts"]
    named = by_name(objects)
    inner = named["NetworkPolicy", "sounds-envoy"]["spec"]["ingress"][1]["from"]
    labels = [each["podSelector"]["matchLabels"] for each in inner]
    assert labels[1].items() <= head["metadata"]["labels"].items()
    mine = named["NetworkPolicy", "sounds-bulk"]["spec"]
    assert mine["podSelector"]["matchLabels"].items() <= worker["metadata"]["labels"].items()
    assert mine["ingress"][1]["ports"] == [{"port": 8265}]


def test_a_pod_that_ends_has_time_for_its_calls(whole: Objects) -> None:
    """Longer than it drains and waits."""
    for part in PORTS:
        pod = pods(whole)[part]
        settings = {each["name"]: each["value"] for each in container(pod)["env"]}
        longest = sum(int(settings[f"AUDIOSEARCH_{each}_SECONDS"]) for each in ("DRAIN", "GRACE"))
        assert pod["spec"]["terminationGracePeriodSeconds"] > longest
