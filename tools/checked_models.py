"""Writes what the bundled models need in place of Paddle: `python -m tools.checked_models`.

With these files their first start imports no Paddle, and needs none. They are to be written again
after a change of the weights, of a graph or of the signals: a test tells.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from embedding_service.checkpoints.archive import read_checkpoint
from embedding_service.checkpoints.checkpoint import Checkpoint, Source
from embedding_service.checkpoints.wanted import BUNDLED
from embedding_service.network.engine import SHIPPED, Options
from embedding_service.network.model import Model


def write(folder: Path) -> None:
    """Fills a folder with the files of all bundled models."""
    with tempfile.TemporaryDirectory() as made:
        for name, place in BUNDLED.items():
            checkpoint = Checkpoint(name, Source.BUNDLED, read_checkpoint(place))
            Model(checkpoint, Options(cache=Path(made)))
        for path in Path(made).rglob("*"):
            # The graph follows from the weights, and the choice of a precision from the processor.
            if path.is_file() and path.name != "graph.onnx" and not path.name.startswith("choice"):
                copy = folder / path.relative_to(made)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


if __name__ == "__main__":
    shutil.rmtree(SHIPPED, ignore_errors=True)
    write(SHIPPED)
