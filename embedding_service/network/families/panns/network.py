"""PaddleSpeech's classes CNN14, CNN10 and CNN6, and narrower networks with their forward pass."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MODULE = "paddlespeech.cls.models.panns.panns"
"""The module of PaddleSpeech's classes, to be imported within `without_downloads`."""

BANDS = 64
"""Mel bands that the classes take."""

AUDIOSET_TAGS = 527
"""Tags that PaddleSpeech's classes name."""

_MOST_TAGS = 10_000
_FIRST_CHANNELS = 64
"""Channels of the first block in full width; every later block has twice as many as the last."""


@dataclass(frozen=True)
class _Class:
    """One of PaddleSpeech's classes: its number of blocks, and how many of them halve the time."""

    blocks: int
    poolings: int


_CLASSES = {"CNN14": _Class(6, 5), "CNN10": _Class(4, 4), "CNN6": _Class(4, 4)}
KINDS = tuple(_CLASSES)
"""Names of PaddleSpeech's classes."""


@dataclass(frozen=True)
class Shape:
    """The shape of a network. The defaults are those of PaddleSpeech's classes.

    Attributes:
        kind: Name of PaddleSpeech's class: CNN14, CNN10 or CNN6.
        width: Channels of every block, divided by those of the class.
        tags: Number of tags.
        dimension: Length of the embedding; None for the channels of the last block.
    """

    kind: str
    width: float = 1
    tags: int = AUDIOSET_TAGS
    dimension: int | None = None

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
            ValueError: A field can't be. The message names it as `conf/model.yaml` does.
        """
        if self.kind not in _CLASSES:
            message = f"class must be {', '.join(_CLASSES)}, not {self.kind!r}"
            raise ValueError(message)
        if not _is_number(self.width) or not 0 < self.width <= 1:
            message = f"width must be above 0 and at most 1, not {self.width!r}"
            raise ValueError(message)
        first = _FIRST_CHANNELS * self.width
        if first != int(first):
            message = f"width must be a multiple of 1/{_FIRST_CHANNELS}, not {self.width!r}"
            raise ValueError(message)
        for name, value in (("tags", self.tags), ("dimension", self.dimension)):
            if value is not None and not (type(value) is int and 0 < value <= _MOST_TAGS):
                message = f"{name} must be a whole number from 1 to {_MOST_TAGS}, not {value!r}"
                raise ValueError(message)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], tags: int = AUDIOSET_TAGS) -> Shape:
        """Reads the section `model` of a checkpoint's `conf/model.yaml`.

        Args:
            config: Holds `class`; may hold `width` and `dimension`.
            tags: Number of labels of the checkpoint.

        Raises:
            ValueError: A key is missing or unknown, or its value can't be.
        """
        unknown = sorted(str(key) for key in config if key not in {"class", "width", "dimension"})
        if "class" not in config or unknown:
            message = f"unknown: {', '.join(unknown)}" if unknown else "class is missing"
            raise ValueError(message)
        return cls(config["class"], config.get("width", 1), tags, config.get("dimension"))

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each block."""
        first = int(_FIRST_CHANNELS * self.width)
        return tuple(first * 2**block for block in range(_CLASSES[self.kind].blocks))

    @property
    def embedding(self) -> int:
        """Length of the embedding."""
        return self.dimension or self.channels[-1]

    @property
    def frames_a_step(self) -> int:
        """Frames that become one step in front of the last mean over time; a clip needs as many."""
        return int(2 ** _CLASSES[self.kind].poolings)


def build(shape: Shape) -> Any:
    """Builds a network with fresh weights, in training mode, with `extract_embedding` set.

    In full width, with PaddleSpeech's number of tags, it is PaddleSpeech's own class. Any other is
    a subclass that has layers of other sizes and the same forward pass.

    Its `forward` takes log-mel features, shape (clips, 1, frames, 64), and returns embeddings of
    shape (clips, dimension) without negative values. With `extract_embedding` False it returns the
    probability of each tag, shape (clips, tags): the sigmoid of `fc_audioset` of the embedding.

    Raises:
        ImportError: PaddleSpeech or Paddle is missing.
    """
    with without_downloads():
        module = importlib.import_module(MODULE)
    kind = getattr(module, shape.kind)
    if shape == Shape(shape.kind, dimension=shape.dimension) and shape.embedding == kind.emb_size:
        return kind()
    return _narrower(kind, _block(module, shape.kind), shape)()


def _block(module: Any, kind: str) -> Any:
    return module.ConvBlock5x5 if kind == "CNN6" else module.ConvBlock


def _narrower(kind: Any, block: Any, shape: Shape) -> Any:
    """Returns a subclass of `kind` whose layers have the sizes of a shape."""
    from paddle import nn  # noqa: PLC0415  heavy: only where a model runs

    def init(self: Any, extract_embedding: bool = True) -> None:
        nn.Layer.__init__(self)
        self.bn0 = nn.BatchNorm2D(BANDS)
        before = 1
        for number, channels in enumerate(shape.channels, 1):
            setattr(self, f"conv_block{number}", block(before, channels))
            before = channels
        self.fc1 = nn.Linear(before, shape.embedding)
        self.fc_audioset = nn.Linear(shape.embedding, shape.tags)
        self.extract_embedding = extract_embedding

    return type(f"Narrow{shape.kind}", (kind,), {"__init__": init, "emb_size": shape.embedding})


@contextmanager
def without_downloads() -> Iterator[None]:
    """Puts empty modules in the place of two that `MODULE` imports to download weights.

    Nothing of them is used here. They would bring eight more packages and create folders.
    """
    stand_ins = {
        "paddlespeech.audio.utils.download": "load_state_dict_from_url",
        "paddlespeech.utils.env": "MODEL_HOME",
    }
    absent = {module: name for module, name in stand_ins.items() if module not in sys.modules}
    for module, attribute in absent.items():
        sys.modules[module] = ModuleType(module)
        setattr(sys.modules[module], attribute, None)
    try:
        yield
    finally:
        for module in absent:
            del sys.modules[module]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
