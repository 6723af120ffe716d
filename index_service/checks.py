"""Checks the fields of requests. Each failure is FIELD_INVALID and names the field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.index.v1.index_pb2 import INDEX_KIND_WINDOWS, Attributes, IndexKind, Vector
from audiosearch.index.v1.index_service_pb2 import (
    CreateIndexRequest,
    ListVectorsRequest,
    SearchVectorsRequest,
    UpdateAttributesRequest,
)
from audiosearch.limits.v1.limits_pb2 import Limits
from google.protobuf.message import Message

from index_service.recall import HIGHEST_TARGET, LOWEST_TARGET
from index_service.store import Among, IndexInfo, Mirror, Vectors
from serving import conditions, limits
from serving.conditions import MOST_TAGS, TEXTS
from serving.errors import Reason, ServiceError

_INDEX_ID = re.compile(r"[A-Za-z0-9_]{1,64}")
_VECTOR_ID = re.compile(r"[A-Za-z0-9_:-]{1,64}")
_CLIP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MODEL = re.compile(r"models/[A-Za-z0-9._~-]{1,200}")
_TEXT_LENGTHS = {name: limits.of(Clip, name).max_length or 63 for name in TEXTS}
_MOST_SECONDS = 100 * 365 * 86_400
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800
_UNIT_TOLERANCE = 0.001
_SHOWN = 80
_DIMENSION = limits.of(CreateIndexRequest, "dimension")
_K = limits.of(SearchVectorsRequest, "k")
_SCORE = limits.of(SearchVectorsRequest, "min_score")


def invalid(field: str, problem: str, **metadata: str) -> ServiceError:
    """Returns the error for an invalid field."""
    return ServiceError(Reason.FIELD_INVALID, f"{field}: {problem}", {"field": field, **metadata})


def _between(limit: Limits) -> str:
    return f"from {limit.minimum:,.0f} to {limit.maximum:,.0f}"


def check_index_id(index_id: str) -> str:
    """Returns the index id if it is well formed."""
    if not _INDEX_ID.fullmatch(index_id):
        raise invalid(
            "index_id",
            f"must be 1 to 64 of the characters A-Z a-z 0-9 _, not {index_id[:_SHOWN]!r}",
        )
    return index_id


def check_model(model: str) -> str:
    """Returns the name of a model if it is well formed."""
    if not _MODEL.fullmatch(model):
        raise invalid("model", f"must be a name like models/NAME, not {model[:_SHOWN]!r}")
    return model


def check_same_model(index_id: str, info: IndexInfo, model: str) -> None:
    """Refuses vectors of another model than the index's, with MODEL_MISMATCH."""
    if info.model != model:
        raise mismatch(
            index_id,
            info,
            f"{model} is another model: embed with {info.model}, or "
            "make another index for this one",
        )


def _kind(info: IndexInfo) -> str:
    return "WINDOWS" if info.windows else "PLAIN"


def mismatch(index_id: str, info: IndexInfo, problem: str) -> ServiceError:
    """Returns the error for an index of another model or dimension."""
    return ServiceError(
        Reason.MODEL_MISMATCH,
        f"index '{index_id}' holds vectors of {info.model} with {info.dimension} values and is "
        f"{_kind(info)}; {problem}",
        {
            "index_id": index_id,
            "model": info.model,
            "dimension": str(info.dimension),
            "kind": _kind(info),
        },
    )


def check_dimension(dimension: int, default: int) -> int:
    """Returns the dimension of a new index if it is valid; the default instead of 0."""
    if dimension and not _DIMENSION.minimum <= dimension <= _DIMENSION.maximum:
        raise invalid(
            "dimension", f"must be {_between(_DIMENSION)}, or 0 for {default}, not {dimension}"
        )
    return dimension or default


def check_kind(kind: int) -> bool:
    """Returns True if the kind is that of an index of windows."""
    if kind not in IndexKind.values():
        raise invalid("kind", f"must be one of {', '.join(IndexKind.keys())}, not {kind}")
    return kind == INDEX_KIND_WINDOWS


def check_windows(index_id: str, info: IndexInfo, request: Message, *fields: str) -> None:
    """Refuses fields that only an index of windows has, if this is another."""
    for field in fields:
        if getattr(request, field) and not info.windows:
            raise invalid(field, f"index '{index_id}' is PLAIN: it knows vectors, not their clips")


def check_mirrors(info: IndexInfo, vectors: Sequence[Vector]) -> list[Mirror]:
    """Returns clips and attributes of vectors; none in a plain index."""
    if not info.windows:
        for position, vector in enumerate(vectors):
            for field, there in (
                ("clip_id", bool(vector.clip_id)),
                ("attributes", vector.HasField("attributes")),
            ):
                if there:
                    raise invalid(f"vectors[{position}].{field}", "is for an index of windows only")
        return []
    check_clip_ids("vectors", [vector.clip_id for vector in vectors], ".clip_id")
    for position, vector in enumerate(vectors):
        check_attributes(f"vectors[{position}].attributes", vector.attributes)
    return [Mirror(vector.clip_id, vector.attributes) for vector in vectors]


def check_attributes(field: str, attributes: Attributes) -> Attributes:
    """Returns the attributes of a clip if a clip can have them."""
    for name in TEXTS:
        if len(getattr(attributes, name)) > _TEXT_LENGTHS[name]:
            raise invalid(f"{field}.{name}", f"must be at most {_TEXT_LENGTHS[name]:,} characters")
    entries = limits.of(Clip, "metadata")
    if len(attributes.metadata) > entries.max_items:
        raise invalid(f"{field}.metadata", f"must be at most {entries.max_items} entries")
    if len(attributes.tags) > MOST_TAGS:
        raise invalid(f"{field}.tags", f"must be at most {MOST_TAGS} entries")
    for tag in attributes.tags:
        if not 0 <= tag.score <= 1:  # NaN fails here too
            raise invalid(f"{field}.tags", f"must have scores from 0 to 1, not {tag.score}")
    if not 0 <= attributes.duration.seconds < _MOST_SECONDS:
        raise invalid(f"{field}.duration", "must be 0 seconds or more, and less than a century")
    if not _YEAR_1 <= attributes.create_time.seconds < _YEAR_10000:
        raise invalid(f"{field}.create_time", "must be in the years 1 to 9999")
    if attributes.revision < 0:
        raise invalid(f"{field}.revision", f"must be 0 or more, not {attributes.revision}")
    return attributes


def check_changes(request: UpdateAttributesRequest) -> dict[str, Attributes]:
    """Returns the new attributes of clips, by clip."""
    check_count("clips", request)
    ids = [each.clip_id for each in request.clips]
    if len(check_clip_ids("clips", ids, ".clip_id")) < len(ids):
        again = next(one for number, one in enumerate(ids) if one in ids[:number])
        raise invalid("clips", f"has the clip '{again}' more than once")
    return {
        each.clip_id: check_attributes(f"clips[{position}].attributes", each.attributes)
        for position, each in enumerate(request.clips)
    }


def check_among(request: SearchVectorsRequest) -> Among:
    """Returns the vectors that a search is narrowed to."""
    for field in ("only_ids", "only_clip_ids", "except_clip_ids"):
        check_count(field, request)
    conditions.check("conditions", request)
    for position, each in enumerate(request.conditions):
        if each.WhichOneof("test") == "contains" and each.field not in TEXTS:
            raise invalid(
                f"conditions[{position}].contains",
                "the index can't search a part of metadata; compare with the whole value",
            )
    return Among(
        ids=check_ids("only_ids", request.only_ids),
        clip_ids=check_clip_ids("only_clip_ids", request.only_clip_ids),
        except_clip_ids=check_clip_ids("except_clip_ids", request.except_clip_ids),
        conditions=list(request.conditions),
    )


def check_count(field: str, request: Message) -> None:
    """Refuses a list that is too short or too long."""
    count, limit = len(getattr(request, field)), limits.of(request, field)
    if not limit.min_items <= count <= limit.max_items:
        problem = f"takes {limit.min_items:,} to {limit.max_items:,} entries, not {count:,}"
        raise invalid(field, problem)


def check_ids(field: str, ids: Iterable[str], part: str = "") -> list[str]:
    """Returns the ids of vectors if they are well formed, each once, in their order.

    An id that passes holds no quote and no bracket, so it is safe in a filter expression.

    Args:
        field: Name of the repeated field, for errors.
        ids: The ids.
        part: Path of the id within an entry, such as `.id`, for errors.
    """
    return _well_formed(_VECTOR_ID, "_ : -", field, ids, part)


def check_clip_ids(field: str, ids: Iterable[str], part: str = "") -> list[str]:
    """Does what `check_ids` does for the ids of clips."""
    return _well_formed(_CLIP_ID, "_ -", field, ids, part)


def _well_formed(
    form: re.Pattern[str], signs: str, field: str, ids: Iterable[str], part: str
) -> list[str]:
    for position, one in enumerate(ids):
        if not form.fullmatch(one):
            shown = one[:_SHOWN]
            raise invalid(
                f"{field}[{position}]{part}",
                f"must be 1 to 64 of the characters A-Z a-z 0-9 {signs}, not {shown!r}",
                id=shown,
            )
    return list(dict.fromkeys(ids))


def check_after(after: str) -> str:
    """Returns the id to list from if it is well formed; empty lists from the first."""
    if after:
        check_ids("after_id", [after])
    return after


def check_page_size(size: int) -> int:
    """Returns the number of ids of a page if it is valid; the default instead of 0."""
    most = limits.of(ListVectorsRequest, "page_size").maximum
    if not 0 <= size <= most:
        problem = f"must be from 1 to {most:,.0f}, or 0 for the default, not {size}"
        raise invalid("page_size", problem)
    return size or 1000


def check_k(k: int) -> int:
    """Returns the number of neighbors if it is valid."""
    if not _K.minimum <= k <= _K.maximum:
        raise invalid("k", f"must be {_between(_K)}, not {k}")
    return k


def check_min_score(score: float) -> float:
    """Returns the lowest score of neighbors if it is valid."""
    if not _SCORE.minimum <= score <= _SCORE.maximum:  # NaN fails here too
        raise invalid("min_score", f"must be {_between(_SCORE)}, not {score}")
    return score


def check_with_values(request: SearchVectorsRequest) -> None:
    """Refuses to read the neighbors' values of several queries: these could be 100,000."""
    if request.with_values and len(request.queries) > 1:
        raise invalid("with_values", f"is for one query, not {len(request.queries)}")


def check_recall_target(target: float) -> float:
    """Returns the recall target of a search if it is valid."""
    # Rounded, because the field has 32 bits. NaN fails here too.
    if not LOWEST_TARGET <= round(target, 6) <= HIGHEST_TARGET:
        raise invalid(
            "recall_target", f"must be from {LOWEST_TARGET} to {HIGHEST_TARGET}, not {target:.6g}"
        )
    return target


def check_vectors(
    field: str, vectors: Sequence[Sequence[float]], dimension: int, ids: Sequence[str] | None = None
) -> Vectors:
    """Turns unit vectors into an array of shape (n, dimension).

    Args:
        field: Name of the repeated field, for errors.
        vectors: Values of each vector.
        dimension: Number of values that each must have.
        ids: Ids of the vectors, for errors; None when they have none.
    """
    for position, values in enumerate(vectors):
        if len(values) != dimension:
            raise _bad_vector(
                field, position, ids, f"has {len(values)} values where the index has {dimension}"
            )
    array = np.array([np.array(values, np.float32) for values in vectors], np.float32)
    lengths = np.linalg.norm(array.astype(np.float64), axis=1)
    # Negated, because NaN fails every comparison and must count as bad.
    for position in np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT_TOLERANCE))[:1].tolist():
        raise _bad_vector(field, position, ids, _length_problem(lengths[position]))
    return array


def _length_problem(length: float) -> str:
    if not math.isfinite(length):
        return "has NaN or infinite values"
    return f"has length {length:.6g}; divide it by its length, the index takes unit vectors"


def _bad_vector(field: str, position: int, ids: Sequence[str] | None, problem: str) -> ServiceError:
    if ids is None:
        return invalid(f"{field}[{position}].values", problem)
    return invalid(
        f"{field}[{position}].values", f"the vector '{ids[position]}' {problem}", id=ids[position]
    )
