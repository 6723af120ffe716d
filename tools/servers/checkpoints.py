"""Checkpoints in the layouts of PaddleSpeech's official ones, with weights of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from embedding_service.network.families.panns.network import Shape, build

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


PANNS_FEATURES = {
    "sample_rate": 32000,
    "n_fft": 1024,
    "hop_length": 320,
    "window": "hann",
    "window_length": 1024,
    "f_min": 50.0,
    "f_max": 14000.0,
    "n_mels": 64,
}
"""Section `feature` of PaddleSpeech's settings of PANNs."""


def random_panns(shape: Shape, seed: int = 5) -> Any:
    """Builds one of PANNs with weights drawn by lot, ready to run.

    Its first normalisation takes away the level of common sounds, as in a trained one: otherwise
    all vectors are alike.
    """
    import paddle  # noqa: PLC0415  heavy: the benchmark's other routes do without

    paddle.seed(seed)
    made = build(shape)
    bands = made.state_dict()["bn0._mean"].shape
    level = {"_mean": -40.0, "_variance": 400.0}
    state = {f"bn0.{key}": np.full(bands, value, np.float32) for key, value in level.items()}
    made.set_state_dict({**made.state_dict(), **state})
    made.eval()
    return made


def write_panns(folder: Path, made: Any, shape: Shape, labels: Sequence[str]) -> Path:
    """Writes a network of PANNs in this project's layout, which says class, width and labels."""
    import paddle  # noqa: PLC0415  the same

    for part in ("conf", "model"):
        (folder / part).mkdir(parents=True)
    paddle.save(made.state_dict(), str(folder / "model" / "model.pdparams"))
    model = {"class": shape.kind, "width": shape.width, "dimension": shape.embedding}
    text = yaml.safe_dump({"model": model, "feature": PANNS_FEATURES})
    (folder / "conf" / "model.yaml").write_text(text)
    (folder / "conf" / "labels.txt").write_text("".join(f"{label}\n" for label in labels))
    return folder


def write_official_panns(folder: Path, made: Any, kind: str) -> Path:
    """Writes one of PaddleSpeech's own classes as its official archives hold it."""
    import paddle  # noqa: PLC0415  the same

    folder.mkdir(parents=True)
    paddle.save(made.state_dict(), str(folder / f"{kind.lower()}.pdparams"))
    (folder / "panns.yaml").write_text(yaml.safe_dump({"feature": PANNS_FEATURES}))
    labels = "".join(f"Kind {number}\n" for number in range(made.fc_audioset.weight.shape[1]))
    (folder / "audioset_labels.txt").write_text(labels)
    return folder
