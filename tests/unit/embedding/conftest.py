"""Small checkpoints in PaddleSpeech's layout, and a server that gives archives away."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paddle
import pytest
import yaml
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn
from paddlespeech.vector.modules.sid_model import SpeakerIdetification

from embedding_service.checkpoints.official import Official

TAG = "ecapatdnn_voxceleb12-16k"
NAME = "sv0_ecapa_tdnn_voxceleb12_ckpt_0_2_0"
SHAPE = {
    "input_size": 80,
    "channels": [16, 16, 16, 16, 48],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 8,
    "lin_neurons": 192,
    "se_channels": 8,
}
CONFIG = {"model": SHAPE, "sr": 16000, "n_mels": 80, "window_size": 400, "hop_size": 160}


@pytest.fixture(scope="session")
def network() -> Any:
    """PaddleSpeech's own network with its classifier, weights drawn by lot."""
    paddle.seed(3)
    made = SpeakerIdetification(EcapaTdnn(**SHAPE), num_class=5)
    made.eval()
    return made


@pytest.fixture
def write(network: Any, tmp_path: Path) -> Callable[..., Path]:
    """Writes a checkpoint folder; `change` may alter the weights, `config` the settings."""

    def checkpoint(
        name: str = "checkpoint",
        change: Callable[[dict[str, Any]], Any] = lambda _: None,
        **config: Any,
    ) -> Path:
        folder = tmp_path / name
        (folder / "conf").mkdir(parents=True)
        (folder / "model").mkdir()
        weights = dict(network.state_dict())
        change(weights)
        paddle.save(weights, str(folder / "model" / "model.pdparams"))
        (folder / "conf" / "model.yaml").write_text(yaml.safe_dump(CONFIG | config))
        return folder

    return checkpoint


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    """Packs a folder into a tar.gz, below `top` in it, with further files by name."""

    def archive(folder: Path, top: str = "sv0_ecapa", **extra: bytes) -> Path:
        target = tmp_path / f"{folder.name}.tar.gz"
        with tarfile.open(target, "w:gz", compresslevel=1) as tar:
            tar.add(folder, top)
            for name, data in extra.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return target

    return archive


@dataclass
class Server:
    """Gives one file away, in the way that `manner` says: whole, half, stall or missing."""

    address: str = ""
    body: bytes = b""
    manner: str = "whole"
    asked: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def give(self, file: Path, manner: str = "whole") -> str:
        """Sets what is given; returns its MD5."""
        self.body, self.manner = file.read_bytes(), manner
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        self.asked += 1
        if self.manner == "silent":
            self.stop.wait(20)
            return
        handler.send_response(404 if self.manner == "missing" else 200)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        if self.manner == "whole":
            handler.wfile.write(self.body)
        else:
            handler.wfile.write(self.body[: len(self.body) // 2])
        if self.manner == "stall":
            self.stop.wait(20)


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on this machine."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):  # who only asks whether it answers hangs up
                state.answer(self)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    yield state
    state.stop.set()
    web.shutdown()
    web.server_close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """PaddleSpeech's own folder, empty."""
    return tmp_path / "home"


@pytest.fixture
def bundled(write: Callable[..., Path]) -> Path:
    """A bundled checkpoint."""
    return write("bundled")


@pytest.fixture
def archive(write: Callable[..., Path], pack: Callable[..., Path]) -> Path:
    """An archive as the official one is: one folder with both files."""
    return pack(write(NAME, lambda w: w.update(weight=w["weight"] * 2)), NAME)


@pytest.fixture
def official(server: Any, archive: Path) -> Official:
    """An official checkpoint that the server gives away."""
    return Official(TAG, "1.0", f"{server.address}/{NAME}.tar.gz", server.give(archive))
