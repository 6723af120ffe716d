"""Vectors that were made elsewhere, as the audio store keeps them.

An object is a line, `audiosearch-vector 1 ` and a JSON object with `display_name` and `dimension`,
and then the numbers: float32, little-endian, scaled to unit length. Two names may so have the same
vector, and the same name with the same vector is the same object.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Sequence

import numpy as np
from numpy.typing import NDArray

from serving.errors import Reason, ServiceError

_MARK = b"audiosearch-vector 1 "
_NUMBERS = np.dtype("<f4")


def encode(display_name: str, values: Sequence[float], dimension: int) -> bytes:
    """The object of a vector; FIELD_INVALID if the library can't hold it."""
    given = np.array(values, np.float64)
    if len(given) != dimension:
        raise _invalid(f"{len(given):,} numbers; the library's vectors have {dimension:,}")
    if not np.isfinite(given).all() or not given.any():
        raise _invalid("the numbers must be finite and not all 0")
    scaled = given / np.abs(given).max()  # the squares of huge values are infinite
    unit = (scaled / np.linalg.norm(scaled)).astype(_NUMBERS)
    head = json.dumps({"display_name": display_name, "dimension": dimension}, sort_keys=True)
    numbers: bytes = unit.tobytes()
    return _MARK + head.encode() + b"\n" + numbers


async def decode(chunks: AsyncIterable[bytes], dimension: int) -> NDArray[np.float32]:
    """The vector in a stored object.

    Raises:
        ServiceError: AUDIO_UNDECODABLE if it is no vector of that dimension.
    """
    stored = b"".join([chunk async for chunk in chunks])
    head, _, numbers = stored.partition(b"\n")
    if not head.startswith(_MARK) or len(numbers) != dimension * _NUMBERS.itemsize:
        raise ServiceError(
            Reason.AUDIO_UNDECODABLE,
            f"what is stored is no vector of {dimension:,} numbers; upload it again",
        )
    return np.frombuffer(numbers, _NUMBERS).astype(np.float32)


def _invalid(problem: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"values: {problem}", {"field": "values"})
