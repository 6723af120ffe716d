"""Writes and reads the files of training: its state, and a checkpoint in PaddleSpeech's layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import paddle

from tools.training.batches import FEATURES

if TYPE_CHECKING:
    from pathlib import Path

    from paddle.nn import Layer

    from tools.training.network import EncoderShape

_PREFIX = "backbone."
"""Prefix of the encoder's weights in PaddleSpeech's SpeakerIdetification."""


def save_state(state: dict[str, Any], path: Path) -> None:
    """Writes a training state. A crash leaves the earlier state intact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(state, path)


def load_state(path: Path) -> dict[str, Any]:
    """Reads a state that `save_state` wrote."""
    state: dict[str, Any] = paddle.load(str(path))
    return state


def export_checkpoint(encoder: Layer, shape: EncoderShape, class_count: int, folder: Path) -> None:
    """Writes `conf/model.yaml` and `model/model.pdparams` for PaddleSpeech's VectorExecutor.

    The weights are those of PaddleSpeech's SpeakerIdetification (its own spelling) without the
    classifier, which no embedding needs.

    Args:
        encoder: The trained EcapaTdnn.
        shape: Its shape.
        class_count: Number of classes that it was trained on.
        folder: Folder for the two files.
    """
    weights = {_PREFIX + name: value for name, value in encoder.state_dict().items()}
    parameters = folder / "model" / "model.pdparams"
    config = folder / "conf" / "model.yaml"
    for path in (parameters, config):
        path.parent.mkdir(parents=True, exist_ok=True)
    _save(weights, parameters)
    config.write_text(_model_yaml(shape, class_count), "utf-8")


class StartError(Exception):
    """The run cannot begin with this checkpoint. The message says why."""


def load_weights(encoder: Layer, folder: Path) -> None:
    """Loads the weights of a checkpoint that `export_checkpoint` wrote into an encoder.

    Raises:
        StartError: The checkpoint is missing or has another shape.
    """
    path = folder / "model" / "model.pdparams"
    if not path.is_file():
        message = f"{folder} holds no model/model.pdparams; give --start an exported checkpoint"
        raise StartError(message)
    weights = {
        name.removeprefix(_PREFIX): value
        for name, value in paddle.load(str(path)).items()
        if name.startswith(_PREFIX)
    }
    expected = {name: value.shape for name, value in encoder.state_dict().items()}
    if {name: list(value.shape) for name, value in weights.items()} != expected:
        message = f"the checkpoint in {folder} has another shape; train at its --width"
        raise StartError(message)
    encoder.set_state_dict(weights)


def _model_yaml(shape: EncoderShape, class_count: int) -> str:
    lines = [
        "# Features",
        f"sr: {FEATURES.sample_rate}",
        f"n_mels: {FEATURES.n_mels}",
        f"window_size: {FEATURES.window_size}",
        f"hop_size: {FEATURES.hop_size}",
        "",
        "# Classes trained on",
        f"num_speakers: {class_count}",
        "",
        "# Keyword arguments of EcapaTdnn",
        "model:",
        *(f"  {key}: {json.dumps(value)}" for key, value in shape.as_config().items()),
    ]
    return "\n".join(lines) + "\n"


def _save(content: dict[str, Any], path: Path) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    paddle.save(content, str(unfinished))
    unfinished.replace(path)
