"""The gateway's REST, on stacks of four processes, as HTTP clients see it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy import example_sounds
from deploy.local_stack import LocalStack
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.guarded import Guarded, guarded_stack
from tests.rest.sounds import wav

FRIEND = "https://friend.example"
"""A page of another site that may call."""


@dataclass(frozen=True)
class Rest:
    """A stack, an HTTP client of it, and the folder that it may import from."""

    running: Running
    http: httpx.Client

    @property
    def stack(self) -> LocalStack:
        """Its processes."""
        return self.running.stack

    def library(self) -> str:
        """Makes a library nobody else uses and gives its short name."""
        return self.running.library()

    def folder(self) -> Path:
        """Makes an empty folder that may be imported."""
        return self.running.folder()

    def upload(self, library: str, audio: bytes = b"", **fields: str) -> dict[str, Any]:
        """Uploads a sound in a form and gives its clip."""
        answer = self.http.post(
            f"/v1/libraries/{library}/clips",
            data=fields,
            files={"audio": ("sound.wav", audio or wav())},
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["clip"])


def client(stack: LocalStack, ca: Path | None = None) -> httpx.Client:
    """An HTTP client of a stack; `ca` vouches for it where it speaks TLS."""
    trusted = ssl.create_default_context(cafile=ca) if ca else True
    return httpx.Client(base_url=stack.web.rstrip("/"), timeout=60, verify=trusted)


@pytest.fixture(scope="package")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """The stack that most tests share; each works in libraries of its own."""
    folder = tmp_path_factory.mktemp("rest")
    with (
        start(
            folder, AUDIOSEARCH_CORS_ORIGINS=FRIEND, AUDIOSEARCH_MAX_AUDIO_BYTES=f"{2**28}"
        ) as running,
        client(running.stack) as http,
    ):
        yield Rest(running, http)


@pytest.fixture
def library(rest: Rest) -> str:
    """An empty library of the shared stack."""
    return rest.library()


@pytest.fixture(scope="package")
def filled(rest: Rest) -> str:
    """A library that holds the 20 example clips and is not changed."""
    library, folder = rest.library(), rest.folder()
    example_sounds.write_all(folder)
    loaded = rest.http.post("/audio/load", json={"Table": library, "File": str(folder)})
    assert loaded.status_code == 200, loaded.text
    return library


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory, sounds: Path) -> Iterator[Guarded]:
    """The stack that checks API keys, with TLS."""
    with guarded_stack(tmp_path_factory.mktemp("guarded"), sounds) as made:
        yield made
