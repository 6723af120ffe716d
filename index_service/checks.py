"""Checks of what callers send; each failure is FIELD_INVALID and names the field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from index_service.recall import HIGHEST_TARGET, LOWEST_TARGET
from index_service.store import IndexInfo, Vectors
from serving.errors import Reason, ServiceError

_INDEX_ID = re.compile(r"[A-Za-z0-9_]{1,64}")
_VECTOR_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MODEL = re.compile(r"models/[A-Za-z0-9._~-]{1,200}")
_UNIT_TOLERANCE = 0.001
_SHOWN = 80


def invalid(field: str, problem: str, **metadata: str) -> ServiceError:
    """The error for a field that can't be used."""
    return ServiceError(Reason.FIELD_INVALID, f"{field}: {problem}", {"field": field, **metadata})


def check_index_id(index_id: str) -> str:
    """Returns an index id that is well formed."""
    if not _INDEX_ID.fullmatch(index_id):
        raise invalid(
            "index_id",
            f"must be 1 to 64 of the characters A-Z a-z 0-9 _, not {index_id[:_SHOWN]!r}",
        )
    return index_id


def check_model(model: str) -> str:
    """Returns a model's name that is well formed."""
    if not _MODEL.fullmatch(model):
        raise invalid("model", f"must be a name like models/NAME, not {model[:_SHOWN]!r}")
    return model


def check_same_model(index_id: str, info: IndexInfo, model: str) -> None:
    """Refuses vectors of a model that the index was not made for, with MODEL_MISMATCH."""
    if info.model != model:
        raise mismatch(
            index_id,
            info,
            f"{model} is another model: embed with {info.model}, or "
            "make another index for this one",
        )


def mismatch(index_id: str, info: IndexInfo, problem: str) -> ServiceError:
    """The error for an index that was made for something else."""
    return ServiceError(
        Reason.MODEL_MISMATCH,
        f"index '{index_id}' holds vectors of {info.model} with {info.dimension} values; {problem}",
        {"index_id": index_id, "model": info.model, "dimension": str(info.dimension)},
    )


def check_dimension(dimension: int, accepted: int) -> int:
    """Returns a dimension that the service is set up for."""
    if not 2 <= dimension <= 4096:
        raise invalid("dimension", f"must be from 2 to 4,096, not {dimension}")
    if dimension != accepted:
        raise invalid(
            "dimension", f"must be {accepted}, this service's VECTOR_DIMENSION, not {dimension}"
        )
    return dimension


def check_count(field: str, count: int, most: int, least: int = 1) -> None:
    """Refuses lists that are too short or too long."""
    if not least <= count <= most:
        raise invalid(field, f"takes {least:,} to {most:,} entries, not {count:,}")


def check_ids(field: str, ids: Iterable[str], part: str = "") -> list[str]:
    """Returns vector ids that are well formed, each once, in their order.

    What passes holds no quote or bracket, so it can stand in a filter expression as it is.

    Args:
        field: name of the repeated field, for errors.
        ids: the ids.
        part: where in an entry its id is, such as `.id`, for errors.
    """
    for position, vector_id in enumerate(ids):
        if not _VECTOR_ID.fullmatch(vector_id):
            shown = vector_id[:_SHOWN]
            raise invalid(
                f"{field}[{position}]{part}",
                f"must be 1 to 64 of the characters A-Z a-z 0-9 _ -, not {shown!r}",
                id=shown,
            )
    return list(dict.fromkeys(ids))


def check_after(after: str) -> str:
    """Returns an id to list from, or nothing for the first."""
    if after:
        check_ids("after_id", [after])
    return after


def check_page_size(size: int) -> int:
    """Returns how many ids a page has; 0 means the default."""
    if not 0 <= size <= 10_000:
        raise invalid("page_size", f"must be from 1 to 10,000, or 0 for the default, not {size}")
    return size or 1000


def check_k(k: int) -> int:
    """Returns a number of neighbors that can be asked for."""
    if not 1 <= k <= 1000:
        raise invalid("k", f"must be from 1 to 1,000, not {k}")
    return k


def check_min_score(score: float) -> float:
    """Returns a score that neighbors can reach."""
    if not -1 <= score <= 1:  # NaN fails here too
        raise invalid("min_score", f"must be from -1 to 1, not {score}")
    return score


def check_recall_target(target: float) -> float:
    """Returns a recall that a search can be asked for."""
    if not LOWEST_TARGET <= round(target, 6) <= HIGHEST_TARGET:  # as 32 bits carry it; NaN fails
        raise invalid(
            "recall_target", f"must be from {LOWEST_TARGET} to {HIGHEST_TARGET}, not {target:.6g}"
        )
    return target


def check_vectors(
    field: str, vectors: Sequence[Sequence[float]], dimension: int, ids: Sequence[str] | None = None
) -> Vectors:
    """Turns unit vectors into an array of shape (n, dimension).

    Args:
        field: name of the repeated field, for errors.
        vectors: values of each vector.
        dimension: values that each must have.
        ids: ids of the vectors, for errors; None when they have none.
    """
    for position, values in enumerate(vectors):
        if len(values) != dimension:
            raise _bad_vector(
                field, position, ids, f"has {len(values)} values where the index has {dimension}"
            )
    array = np.array([np.array(values, np.float32) for values in vectors], np.float32)
    lengths = np.linalg.norm(array.astype(np.float64), axis=1)
    # The comparison is turned round so that NaN and infinity count as bad.
    for position in np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT_TOLERANCE))[:1].tolist():
        raise _bad_vector(field, position, ids, _length_problem(lengths[position]))
    return array


def _length_problem(length: float) -> str:
    if not math.isfinite(length):
        return "has NaN or infinite values"
    return f"has length {length:.6g}; divide it by that, the index takes unit vectors"


def _bad_vector(field: str, position: int, ids: Sequence[str] | None, problem: str) -> ServiceError:
    if ids is None:
        return invalid(f"{field}[{position}].values", problem)
    return invalid(
        f"{field}[{position}].values", f"the vector '{ids[position]}' {problem}", id=ids[position]
    )
