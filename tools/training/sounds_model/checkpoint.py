"""Writes the trained model as a checkpoint of the family PANNs, its weights rounded to fp16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import paddle

from tools.training.sounds_model.batches import FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from paddle.nn import Layer

    from embedding_service.network.families.panns.network import Shape


def export_checkpoint(network: Layer, shape: Shape, labels: Sequence[str], folder: Path) -> None:
    """Writes `conf/model.yaml`, `conf/labels.txt` and `model/model.pdparams`.

    Args:
        network: The trained network.
        shape: Its shape.
        labels: Names of its tags.
        folder: Folder for the files.
    """
    (folder / "conf").mkdir(parents=True, exist_ok=True)
    (folder / "model").mkdir(parents=True, exist_ok=True)
    weights = {name: rounded(value.numpy()) for name, value in network.state_dict().items()}
    paddle.save(weights, str(folder / "model" / "model.pdparams"))
    (folder / "conf" / "labels.txt").write_text("".join(f"{one}\n" for one in labels), "utf-8")
    (folder / "conf" / "model.yaml").write_text(_model_yaml(shape), "utf-8")


def rounded(value: np.ndarray) -> np.ndarray:
    """Rounds weights to fp16; statistics of normalisation, which may be large, stay as they are."""
    return value.astype(np.float16) if value.ndim > 1 else value


def keep_tags(network: Layer, kept: Sequence[int]) -> None:
    """Leaves only some of the tags in the last layer, in this order."""
    last = network.fc_audioset
    short = paddle.nn.Linear(last.weight.shape[0], len(kept))
    short.weight.set_value(last.weight.numpy()[:, list(kept)])
    short.bias.set_value(last.bias.numpy()[list(kept)])
    network.fc_audioset = short


def _model_yaml(shape: Shape) -> str:
    lines = [
        "# Features",
        "feature:",
        f"  sample_rate: {FEATURES.sample_rate}",
        f"  n_fft: {FEATURES.window_size}",
        f"  hop_length: {FEATURES.hop_size}",
        "  window: hann",
        f"  window_length: {FEATURES.window_size}",
        f"  f_min: {FEATURES.lowest_hz}",
        f"  f_max: {FEATURES.highest_hz}",
        f"  n_mels: {FEATURES.n_mels}",
        "",
        "# PaddleSpeech's class, the share of its channels, and the length of the vector",
        "model:",
        f"  class: {shape.kind}",
        f"  width: {shape.width}",
        f"  dimension: {shape.embedding}",
    ]
    return "\n".join(lines) + "\n"
