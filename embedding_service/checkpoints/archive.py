"""Reads a checkpoint in PaddleSpeech's layout: a folder, or a tar.gz of it."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Layout:
    """The files of a checkpoint of a family, as PaddleSpeech lays them out.

    Attributes:
        family: Name of the family of networks.
        config: Settings of the network and of its features.
        weights: Weights by parameter name, as `paddle.save` writes them.
        labels: Names of the network's tags, one a line; None if it has none.
    """

    family: str
    config: Path
    weights: Path
    labels: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All files."""
        return [self.config, self.weights, *([self.labels] if self.labels else [])]


_CONFIG, _WEIGHTS = Path("conf/model.yaml"), Path("model/model.pdparams")
_AUDIOSET = Path("audioset_labels.txt")
LAYOUTS = (
    Layout("panns", _CONFIG, _WEIGHTS, Path("conf/labels.txt")),
    *(
        Layout(
            f"panns_{name}",
            Path("panns.yaml"),
            Path(f"{name}.pdparams"),
            Path("audioset_labels.txt"),
        )
        for name in ("cnn14", "cnn10", "cnn6")
    ),
    Layout("ecapatdnn", _CONFIG, _WEIGHTS),
)
"""The layouts that are known, those of most files first. They tell a checkpoint's family."""

_MAX_UNPACKED_BYTES = 2**30
"""Largest size of an unpacked checkpoint; the official one has 83 MB."""

_NAME_TABLE = "StructuredToParameterName@@"
"""Key of a note that Paddle adds to a file of weights; it is not a weight."""

_ALLOWED = {
    *(
        (module, name)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("_reconstruct", "scalar")
    ),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    ("builtins", "tuple"),
    ("__builtin__", "tuple"),
}
"""Names that weights saved by Paddle need. Any other name in a pickle could run code."""


class CheckpointError(Exception):
    """A checkpoint can't be used. The message names the file and the reason."""


@dataclass(frozen=True)
class Weights:
    """The contents of a checkpoint.

    Attributes:
        layout: The files that it was read from, which tell its family.
        config: Contents of the file of settings.
        arrays: Values by parameter name, as the file of weights names them.
        sha256: Hash of the file of weights, hexadecimal.
        labels: Names of the network's tags.
    """

    layout: Layout
    config: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    sha256: str
    labels: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Weights:
    """Reads a checkpoint from a folder or a tar.gz.

    Raises:
        CheckpointError: The checkpoint is missing, incomplete or damaged.
    """
    if path.is_dir():
        return _read_folder(*find_root(path))
    if not path.is_file():
        raise CheckpointError(f"{path} is neither a folder nor a file")
    with tempfile.TemporaryDirectory(prefix="audiosearch-") as folder:
        unpack(path, Path(folder))
        return _read_folder(*find_root(Path(folder), name=path))


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a tar archive into an existing folder. No file is written outside the folder.

    Raises:
        CheckpointError: The file is no tar archive, is too big, or names files outside the folder.
    """
    if not hasattr(tarfile, "data_filter"):
        raise CheckpointError("unpacking a checkpoint safely takes Python 3.10.12, 3.11.4 or newer")
    try:
        with tarfile.open(archive) as tar:
            if sum(member.size for member in tar) > _MAX_UNPACKED_BYTES:
                raise CheckpointError(f"{archive} unpacks to more than {_MAX_UNPACKED_BYTES} bytes")
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise CheckpointError(f"{archive} can't be unpacked: {error}") from error


def find_root(folder: Path, name: Path | None = None) -> tuple[Path, Layout]:
    """Returns the folder that holds a checkpoint, the given one or the only one in it; its layout.

    Args:
        folder: Folder to look in.
        name: Name of the folder in the error; its path by default.

    Raises:
        CheckpointError: Neither folder holds all files of a layout. The message names the missing
            ones of the layout that lacks least.
    """
    inner = [entry for entry in folder.iterdir() if entry.is_dir()]
    roots = [folder, *inner] if len(inner) == 1 else [folder]
    lacks: list[list[str]] = []
    for root in roots:
        for layout in LAYOUTS:
            missing = [str(file) for file in layout.files if not (root / file).is_file()]
            if not missing:
                return root, layout
            lacks.append(missing)
    least: list[str] = min(lacks, key=len)
    raise CheckpointError(f"{name or folder} lacks {' and '.join(least)}")


def _read_folder(folder: Path, layout: Layout) -> Weights:
    try:
        config = yaml.safe_load((folder / layout.config).read_text(encoding="utf-8"))
        data = (folder / layout.weights).read_bytes()
        labels = (folder / layout.labels).read_text(encoding="utf-8") if layout.labels else ""
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f"{folder} can't be read: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{folder / layout.config} holds no settings")
    model = config.get("model")
    if layout.labels is None and isinstance(model, dict) and "class" in model:
        raise CheckpointError(f"{folder} lacks {LAYOUTS[0].labels}: a class of PANNs names sounds")
    try:
        arrays = _unpickle(data)
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        UnicodeDecodeError,
        MemoryError,
    ) as error:
        raise CheckpointError(
            f"{folder / layout.weights} can't be read: {error or 'cut off'}"
        ) from error
    names = tuple(line.strip() for line in labels.splitlines() if line.strip())
    return Weights(layout, config, arrays, hashlib.sha256(data).hexdigest(), names)


class _Unpickler(pickle.Unpickler):
    """Unpickles numbers only: `paddle.load` would run any code that a file names."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns a class or function that arrays need, and refuses every other."""
        if (module, name) not in _ALLOWED:
            msg = f"it names {module}.{name}, which weights don't need"
            raise pickle.UnpicklingError(msg)
        return super().find_class(module, name)


def _unpickle(data: bytes) -> dict[str, NDArray[Any]]:
    loaded = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    if not isinstance(loaded, dict):
        raise TypeError("it holds no dictionary of weights")
    return {str(key): _array(key, value) for key, value in loaded.items() if key != _NAME_TABLE}


def _array(key: object, value: object) -> NDArray[Any]:
    # Some versions of Paddle save a tensor as its array, others as (name, array).
    array = value[1] if isinstance(value, tuple) and len(value) == 2 else value
    if not isinstance(array, np.ndarray):
        msg = f"{key} is no array"
        raise TypeError(msg)
    return cast("NDArray[Any]", array)
