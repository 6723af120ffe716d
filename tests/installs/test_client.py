"""`pip install audiosearch[client]`: the Python client by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installs.conftest import Environment

SCRIPT = """
import sys
from pathlib import Path

from audiosearch_client import AsyncClient, Client
from audiosearch_client import uploading
from audiosearch_client.corpora import sources

with Client(sys.argv[1]) as client:
    library = client.libraries.create("installed")
    for name in sys.argv[3:]:
        client.clips.upload(library, Path(sys.argv[2]) / name)
    found = client.search(library, Path(sys.argv[2]) / sys.argv[3], k=1)
print(found[0].clip.name)
"""


def test_it_brings_little(client: Environment) -> None:
    """GRPC and protobuf."""
    assert client.packages() == {
        "audiosearch",
        "googleapis-common-protos",
        "grpcio",
        "grpcio-status",
        "protobuf",
        "typing_extensions",
    }


def test_it_uploads_and_searches(client: Environment, target: str, sounds: Path) -> None:
    """Against a stack that runs elsewhere."""
    names = ("bronze_bell_1.wav", "sword_clash_1.wav")
    done = client.run("-c", SCRIPT, target, sounds, *names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "bronze_bell_1.wav"


@pytest.mark.parametrize("spoiled", ["", "no certificate"])
def test_it_checks_certificates_without_more_packages(
    client: Environment, tmp_path: Path, spoiled: str
) -> None:
    """A file that holds none is told at once."""
    path = tmp_path / "ca.pem"
    path.write_text(spoiled)
    script = (
        "import sys; from pathlib import Path; from audiosearch_client import AudiosearchClient;"
        "AudiosearchClient(ca=Path(sys.argv[1]))"
    )
    done = client.run("-c", script, path)
    assert "holds no certificate in PEM" in done.stderr


def test_its_command_says_what_is_missing(client: Environment) -> None:
    """The wheel brings the command `audiosearch`, but not what it is made with."""
    code, _, said = client.audiosearch("search", "x.wav")
    assert code == 1
    assert said.count("\n") == 1
    assert "pip install 'audiosearch[cli]'" in said
