"""Checks the Helm chart: `python -m tools.chart`.

Helm lints and renders it with several values, and every object is held against the schemas of
three versions of Kubernetes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from tools.servers import helm

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "audiosearch"
VERSIONS = ("1.33", "1.35", "1.37")
NEEDED = {
    "keys.secret": "keys",
    "milvus.host": "milvus.databases",
    "mysql.host": "mysql.databases",
    "mysql.secret": "mysql",
}
"""The values without defaults."""

VARIANTS: Mapping[str, Mapping[str, str]] = {
    "as it comes": {},
    "everything": {
        "envoy.tls.secret": "tls",
        "envoy.service.type": "LoadBalancer",
        "milvus.secret": "milvus",
        "embedding.autoscaling.enabled": "true",
        "gateway.autoscaling.enabled": "true",
        "index.autoscaling.enabled": "true",
        "catalog.autoscaling.enabled": "true",
        "audio.accessMode": "ReadWriteMany",
        "audio.storageClass": "shared",
        "embedding.modelsClaim": "models",
        "gateway.settings.TOP_K": "20",
        "traces.endpoint": "http://collector:4317",
        "images.registry": "registry.example.org/sounds",
        "images.pullSecrets[0]": "registry",
        "gatewayApi.enabled": "true",
        "gatewayApi.parents[0].name": "public",
        "gatewayApi.hosts[0]": "sounds.example.org",
        "nodeSelector.disk": "ssd",
        "tolerations[0].key": "sounds",
        "tolerations[0].operator": "Exists",
        "podLabels.team": "sounds",
        "podAnnotations.note": "sounds",
    },
    "little": {
        "gateway.replicas": "1",
        "embedding.replicas": "1",
        "index.replicas": "1",
        "envoy.replicas": "1",
        "metrics.port": "0",
        "networkPolicies.enabled": "false",
        "audio.claim": "recordings",
    },
    "a bucket": {
        "catalog.replicas": "3",
        "audio.url": "s3://recordings/audiosearch",
        "audio.secret": "bucket",
    },
    "a bulk import": {
        "bulk.enabled": "true",
        "bulk.source": "s3://recordings/2026",
        "bulk.layout": "librispeech",
        "bulk.library": "archive",
        "bulk.claim": "bulk",
        "bulk.secret": "recordings",
        "bulk.settings.AWS_ENDPOINT_URL": "http://objects.example.org:9000",
        "embedding.modelsClaim": "models",
        "images.pullSecrets[0]": "registry",
        "podLabels.team": "sounds",
        "podAnnotations.note": "sounds",
    },
}
_FOREIGN = ("gateway.networking.k8s.io/", "ray.io/")
"""Kinds that Kubernetes itself has no schema for."""


class ChartError(Exception):
    """The chart or the values are wrong. The message is Helm's."""


def rendered(
    values: Mapping[str, str], version: str = VERSIONS[-1], release: str = "sounds"
) -> list[dict[str, Any]]:
    """Returns the objects that the chart makes of these values.

    Raises:
        ChartError: Helm refuses them.
    """
    done = helm.run(
        "template",
        release,
        CHART,
        "--namespace",
        "audio",
        "--kube-version",
        version,
        *(part for name, value in values.items() for part in ("--set", f"{name}={value}")),
    )
    if done.returncode:
        raise ChartError(done.stderr)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def ray_pods(objects: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields the pods that KubeRay makes of jobs among the objects, by their templates."""
    for each in objects:
        if each["kind"] == "RayJob":
            cluster = each["spec"]["rayClusterSpec"]
            for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
                named = {"name": group.get("groupName", "head"), **group["template"]["metadata"]}
                pod = {**group["template"], "metadata": named}
                yield {"apiVersion": "v1", "kind": "Pod", **pod}


def problems() -> Iterator[str]:
    """Yields a line for each fault of the chart."""
    needed = [part for name, value in NEEDED.items() for part in ("--set", f"{name}={value}")]
    linted = helm.run("lint", CHART, "--strict", *needed)
    if linted.returncode:
        yield f"helm lint: {linted.stdout}{linted.stderr}"
    for variant, values in VARIANTS.items():
        for version in VERSIONS:
            try:
                objects = rendered({**NEEDED, **values}, version)
            except ChartError as error:
                yield f"{variant}: {error}"
                continue
            for each in (*objects, *ray_pods(objects)):
                if each["apiVersion"].startswith(_FOREIGN):
                    continue
                try:
                    kubernetes_validate.validate(each, version, strict=True)
                except (
                    kubernetes_validate.ValidationError,
                    kubernetes_validate.SchemaNotFoundError,
                ) as error:
                    place = f"{each['kind']} {each['metadata']['name']}"
                    yield f"{variant}, Kubernetes {version}, {place}: {error}"


def main() -> int:
    """Prints the faults and returns the exit code: 0 if there are none, else 1."""
    found = list(problems())
    for line in found:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
