"""A vector to search with, from a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.search_pb2 import VectorQuery

from audiosearch_cli.problems import CommandError, extra
from serving import limits

_MOST = int(limits.of(Library, "dimension").maximum)
_MOST_BYTES = 1024 * 1024
"""Bytes of the longest vector as JSON, with room to spare."""


def read_vector(path: Path, model: str) -> VectorQuery:
    """The vector in a file, of the model `model`, or of the one that the file names.

    Args:
        path: a `.npy` file with one vector, or JSON: a list of numbers, an embedding, or what
            `audiosearch embed --json` prints.
        model: `models/{model}` or {model} alone; empty if the file is to name it.

    Raises:
        CommandError: the file holds no such vector, or nobody names the model.
    """
    values, named = _npy(path) if path.suffix == ".npy" else _json(path)
    if not (model or named):
        raise CommandError(f"{path} does not name the vector's model: add --model NAME")
    whole = model or named
    return VectorQuery(values=values, model=whole if "/" in whole else f"models/{whole}")


def _npy(path: Path) -> tuple[Sequence[float], str]:
    with extra("evaluation"):
        from numpy.lib.format import open_memmap  # noqa: PLC0415  other commands need no numpy
    try:
        array = open_memmap(path, mode="r")  # nothing is read before the size is known
    except ValueError as error:
        raise CommandError(f"{path} is no .npy file of numbers: {error}") from error
    if array.dtype.kind not in "fiu" or array.size != max(array.shape, default=0):
        shape = " x ".join(map(str, array.shape)) or "a single number"
        raise CommandError(f"{path} holds {shape} of {array.dtype}, which is not one vector")
    _check_count(path, array.size)
    return array.reshape(-1).astype(float).tolist(), ""


def _json(path: Path) -> tuple[Sequence[float], str]:
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise CommandError(f"{path} is too large for a vector in JSON")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is not JSON: {error}") from error
    model = ""
    if isinstance(found, dict) and isinstance(found := found.get("embedding", found), dict):
        model, found = found.get("model", ""), found.get("values")
    if not isinstance(found, list) or not all(map(_is_number, found)) or not isinstance(model, str):
        raise CommandError(f"{path} holds no list of numbers")
    _check_count(path, len(found))
    try:
        return list(map(float, found)), model
    except OverflowError as error:
        raise CommandError(f"{path}: {error}") from error


def _check_count(path: Path, count: int) -> None:
    if count > _MOST:
        raise CommandError(f"{path} holds {count:,} numbers; a vector has {_MOST:,} at most")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
