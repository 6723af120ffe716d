"""One real stack whose gateway serves the web client, and what the tests ask of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.calibration_pb2 import DetectionCosts, OperatingPoint
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES, Purpose
from audiosearch.gateway.v1.calibrations_pb2 import CalibrateLibraryRequest
from audiosearch.gateway.v1.speakers_pb2 import (
    EnrollSpeakerConfig,
    EnrollSpeakerRequest,
    Recording,
)
from audiosearch_client.client import AudiosearchClient

from deploy.local_stack import LocalStack, running
from tools.servers.ports import free_ports

_numbers = count(1)


@dataclass(frozen=True)
class Site:
    """A stack, a client of it, where its web client is, and the folder it may import from."""

    stack: LocalStack
    client: AudiosearchClient
    url: str
    imports: Path

    def library(self, name: str = "", purpose: Purpose = PURPOSE_VOICES) -> str:
        """Makes a library, one nobody else uses without a name, and gives its short name."""
        name = name or f"test-{next(_numbers)}"
        made = library_pb2.Library(purpose=purpose)
        request = library_pb2.CreateLibraryRequest(library_id=name, library=made)
        self.client.call(self.client.stubs.libraries.CreateLibrary, request)
        return name

    def upload(self, library: str, path: Path, label: str = "", speaker: str = "") -> str:
        """Stores a sound and gives the clip's name."""
        described = Clip(label=label, speaker=speaker)
        return self.client.upload(library, path, described).clip.name

    def enroll(self, library: str, name: str, *paths: Path) -> None:
        """Enrolls a speaker, whose id is the name in lower case."""
        speaker = Speaker(display_name=name)
        config = EnrollSpeakerConfig(
            parent=f"libraries/{library}", speaker_id=name.lower(), speaker=speaker
        )

        def requests() -> Iterator[EnrollSpeakerRequest]:
            yield EnrollSpeakerRequest(config=config)
            for path in paths:
                yield EnrollSpeakerRequest(recording=Recording(display_name=path.name))
                yield EnrollSpeakerRequest(audio_chunk=path.read_bytes())

        self.client.call(self.client.stubs.speakers.EnrollSpeaker, requests(), patience=10)

    def calibrate(self, library: str) -> None:
        """Fits what scores mean; what is likelier a speaker's voice than not is taken for it."""
        point = OperatingPoint(costs=DetectionCosts(p_target=0.5))
        request = CalibrateLibraryRequest(name=f"libraries/{library}", operating_point=point)
        self.client.call(self.client.stubs.calibrations.CalibrateLibrary, request, patience=10)

    def kill_gateway(self) -> None:
        """Ends the gateway, which serves the pages, as a crash would."""
        os.kill(self.stack.pid("gateway"), signal.SIGKILL)

    def restart_gateway(self) -> None:
        """Starts it again at the same address."""
        self.stack.launch("gateway")
        self.stack.wait("gateway")

    @contextmanager
    def second_gateway(self, **settings: str) -> Iterator[str]:
        """Runs one more gateway on the same services, with settings of its own; gives its URL."""
        grpc, rest = free_ports(2)
        environment = {
            **self.stack._environment("gateway"),
            "AUDIOSEARCH_GATEWAY_PORT": str(grpc),
            "AUDIOSEARCH_REST_PORT": str(rest),
            **settings,
        }
        command, url = [sys.executable, "-m", "gateway"], f"http://127.0.0.1:{rest}"
        with subprocess.Popen(command, env=environment, cwd=self.stack.data_dir) as process:
            try:
                _wait(url, process)
                yield url
            finally:
                process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=5).close()  # noqa: S310  our own
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the second gateway ended; its last lines are above")


@contextmanager
def site(folder: Path, **settings: str) -> Iterator[Site]:
    """Runs the stack, which never tries the network."""
    port, imports = free_ports(1)[0], folder / "imports"
    imports.mkdir()
    settings = {
        "AUDIOSEARCH_IMPORT_ROOTS": str(imports),
        "AUDIOSEARCH_REFERENCE_URLS": imports.as_uri(),
        "AUDIOSEARCH_REST_PORT": str(port),
        "AUDIOSEARCH_OFFLINE": "1",
        "AUDIOSEARCH_MODELS": "voices,sounds",
        "PPSPEECH_HOME": str(folder / "no-cache"),
        **settings,
    }
    with running(folder / "data", settings) as stack, AudiosearchClient(stack.target) as client:
        yield Site(stack, client, f"http://127.0.0.1:{port}", imports)
