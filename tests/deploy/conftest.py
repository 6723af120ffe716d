"""A deployment that the tests of this folder share, and the audio that they send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.deployment import Deployment, deployed


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Four services, embedding and gateway twice, Envoy."""
    base = tmp_path_factory.mktemp("deployment")
    with deployed(base, twice=("embedding", "gateway")) as running:
        yield running


@pytest.fixture(scope="package")
def library(deployment: Deployment, sounds: Path) -> str:
    """A library of six clips, uploaded through Envoy."""
    name = deployment.library("through-envoy")
    with deployment.client() as client:
        for path in sorted(sounds.iterdir())[:6]:
            client.upload(name, path)
    return name
