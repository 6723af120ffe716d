"""Runs PaddleSpeech's own VectorExecutor in a separate environment of some 200 packages.

`VectorExecutor.start` runs this file there as a process. The process reads paths of WAV files, and
answers with the time and the vector of each.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-paddlespeech"
_PYTHON = ENVIRONMENT / "bin" / "python"
PEER = "VectorExecutor"


def installed() -> bool:
    """Returns True if the environment is installed."""
    return _PYTHON.exists()


class VectorExecutor:
    """The process, with a checkpoint loaded."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Takes the running process."""
        self._process = process

    @classmethod
    @contextmanager
    def start(cls, checkpoint: Path, threads: int | None = None) -> Iterator[VectorExecutor]:
        """Runs the process for the time of the block.

        Args:
            checkpoint: Folder of the checkpoint.
            threads: Threads of Paddle's operators; PaddleSpeech's default of one if None.
        """
        if not installed():
            message = f"{ENVIRONMENT} is missing: run `make bench-embedding`, which creates it"
            raise SystemExit(message)
        command = [str(_PYTHON), __file__, str(checkpoint)]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        with subprocess.Popen(
            command, stderr=subprocess.DEVNULL, env=environment, **pipes
        ) as process:
            try:
                started = cls(process)
                started._answer()  # its packages make files of their own, and two at once collide
                yield started
            finally:
                process.kill()

    def embed(self, wav: Path) -> tuple[float, list[float]]:
        """Returns the time for one file in seconds, and its vector, of any norm."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{wav}\n")
            self._process.stdin.flush()
        answer = self._answer()
        return answer["seconds"], answer["vector"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            message = f"VectorExecutor ended; try: {_PYTHON} {__file__} CHECKPOINT"
            raise SystemExit(message)
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def with_threads(checkpoint: Path) -> Iterator[dict[str, VectorExecutor]]:
    """Starts VectorExecutor with its default threads and with all cores. Gives them by name."""
    cores = os.cpu_count() or 1
    with ExitStack() as stack:
        found = {PEER: stack.enter_context(VectorExecutor.start(checkpoint))}
        if cores > 1:
            all_cores = stack.enter_context(VectorExecutor.start(checkpoint, cores))
            found[f"{PEER}, {cores} threads"] = all_cores
        yield found


def _serve(checkpoint: Path) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the packages print remarks
    from paddlespeech.cli.vector import (  # noqa: PLC0415  only in that environment
        VectorExecutor as Original,
    )

    executor = Original()
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        vector = executor(
            audio_file=line.strip(),
            config=str(checkpoint / "conf" / "model.yaml"),
            ckpt_path=str(checkpoint / "model" / "model"),
        )
        seconds = time.perf_counter() - start
        answers.write(json.dumps({"seconds": seconds, "vector": vector.tolist()}) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
