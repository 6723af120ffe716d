"""Checkpoints in the layout of PaddleSpeech's official one, with weights of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

OFFICIAL_SHAPE = {
    "input_size": 80,
    "channels": [1024, 1024, 1024, 1024, 3072],
    "kernel_sizes": [5, 3, 3, 3, 1],
    "dilations": [1, 2, 3, 4, 1],
    "attention_channels": 128,
    "lin_neurons": 192,
}
"""Arguments of EcapaTdnn for `ecapatdnn_voxceleb12`: 20.8 million parameters."""


def write_checkpoint(folder: Path, shape: Mapping[str, Any], weights: Mapping[str, Any]) -> Path:
    """Writes the weights of an EcapaTdnn of that shape, named as in its `state_dict`."""
    import paddle  # noqa: PLC0415  heavy: the benchmark's other routes do without

    for part in ("conf", "model"):
        (folder / part).mkdir(parents=True)
    named = {f"backbone.{name}": value for name, value in weights.items()}
    paddle.save(named, str(folder / "model" / "model.pdparams"))
    config = {"sr": 16000, "n_mels": 80, "window_size": 400, "hop_size": 160, "num_speakers": 2}
    text = yaml.safe_dump({"model": dict(shape), **config})
    (folder / "conf" / "model.yaml").write_text(text)
    return folder
