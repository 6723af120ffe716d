"""Reads the weights of a checkpoint that PyTorch wrote before 1.6, without PyTorch.

Such a file is a row of pickles: a magic number, a version, sizes of types, the content with
references in place of numbers, and the keys of the references. After them stand the numbers.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8"}


class TorchFileError(Exception):
    """The file is no such checkpoint, is damaged, or asks for more than arrays of numbers."""


class _Storage:
    """Numbers that several arrays may share; they follow after the pickles."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind = np.dtype(_TYPES[kind])
        self.count = count
        self.numbers: NDArray[Any] | None = None


class _Array:
    """The place of an array in its storage."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], *_: Any) -> None:
        self._storage, self._offset, self._shape = storage, offset, shape

    def read(self) -> NDArray[Any]:
        count = int(np.prod(self._shape, dtype=np.int64))
        numbers = self._storage.numbers
        if numbers is None or not 0 <= self._offset <= self._offset + count <= len(numbers):
            raise TorchFileError("an array lies outside its numbers")
        return numbers[self._offset : self._offset + count].reshape(self._shape)


class _Reader(pickle.Unpickler):
    """Builds plain containers and the arrays' places. Any other object is refused, never called."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Array
        if module == "torch" and name in _TYPES:
            return name
        message = f"the file asks for {module}.{name}, which holds no weights"
        raise TorchFileError(message)

    def persistent_load(self, reference: Any) -> _Storage:
        _, kind, key, _, count, view = reference
        if view is not None:
            raise TorchFileError("the file shares numbers in a way that PyTorch gave up long ago")
        return self.storages.setdefault(key, _Storage(kind, count))


def read_weights(path: Path, entry: str) -> dict[str, NDArray[Any]]:
    """Returns the arrays of one entry of a checkpoint, by name.

    Arrays must lie in order in their storage, as those of a module's state do.

    Args:
        path: A file that `torch.save` wrote in the layout before PyTorch 1.6.
        entry: Key of the content that holds the arrays, such as "model_state".

    Raises:
        TorchFileError: The file is missing, no such checkpoint, or damaged. The message says which.
    """
    try:
        return _read(io.BytesIO(path.read_bytes()), entry)
    except FileNotFoundError:
        message = f"there is no file {path}"
    except TorchFileError as error:
        message = f"{path} cannot be used: {error}"
    except Exception as error:  # noqa: BLE001 - damaged pickles raise whatever they like
        message = f"{path} is damaged or no checkpoint of PyTorch before 1.6: {error!r}"
    raise TorchFileError(message)


def _read(file: io.BytesIO, entry: str) -> dict[str, NDArray[Any]]:
    if [_Reader(file).load() for _ in range(2)] != [_MAGIC, _VERSION]:
        raise TorchFileError("it is no checkpoint of PyTorch in the layout before 1.6")
    _Reader(file).load()  # Sizes of types: not needed.
    reader = _Reader(file)
    content = reader.load()
    for key in _Reader(file).load():
        storage = reader.storages[key]
        count = int.from_bytes(file.read(8), "little")
        content_bytes = file.read(count * storage.kind.itemsize)
        if count != storage.count or len(content_bytes) != count * storage.kind.itemsize:
            raise TorchFileError("it ends early")
        storage.numbers = np.frombuffer(content_bytes, storage.kind)
    return {name: one.read() for name, one in content[entry].items() if isinstance(one, _Array)}
