"""Checks requests about libraries, and translates them for the domain."""

from __future__ import annotations

from audiosearch.catalog.v1.library_pb2 import (
    BeginMigrationRequest,
    ClaimIndexChecksRequest,
    Comparison,
    IndexState,
    Library,
    Migration,
    MigrationFailure,
    ReportIndexStateRequest,
    ReportMigrationRequest,
)
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1.model_pb2 import Purpose

from catalog_service import fields, names
from catalog_service.database.states import LibraryState, LibraryView
from catalog_service.libraries.migrations import Model
from catalog_service.libraries.windows import WindowRule
from serving import limits

_NANOS = 10**9
_LEAST_DIMENSION = 2
_LEAST_HOP = _NANOS // 100
"""The shortest hop: ids of windows tell starts to the millisecond."""
_LONGEST = 3600 * _NANOS
"""The longest window, and the longest recording that is one window."""
_NAME_LENGTH = 255


def library_state(value: int) -> LibraryState:
    """Returns the state of the libraries to list."""
    return LibraryState(fields.choice("state", value or LibraryState.ACTIVE, LibraryState))


def counted(view: int) -> bool:
    """Returns True if a view of a library has its counts."""
    return fields.choice("view", view or LibraryView.FULL, LibraryView) == LibraryView.FULL


def dimension(field: str, value: Library) -> int:
    """Returns the dimension of a library for vectors; 0 for one for audio."""
    most = int(limits.of(value, "dimension").maximum)
    if value.dimension and not _LEAST_DIMENSION <= value.dimension <= most:
        limit = f"must be from {_LEAST_DIMENSION} to {most:,}, or 0"
        raise fields.invalid(field, value.dimension, limit)
    if value.dimension and value.HasField("window_rule"):
        raise fields.invalid(field, value.dimension, "goes without a window_rule")
    if value.dimension and value.purpose:
        raise fields.invalid(field, value.dimension, "goes without a purpose")
    return value.dimension


def purpose(field: str, value: Purpose.ValueType) -> Purpose.ValueType:
    """Returns a purpose; 0 for none."""
    fields.choice(field, value, Purpose.values())
    return value


def window_rule(field: str, rule: embedding_pb2.WindowRule) -> WindowRule:
    """Returns a rule of windows if recordings can be cut by it."""
    lengths = {}
    for name, length in (("window", rule.window), ("hop", rule.hop), ("single", rule.single)):
        lengths[name] = fields.nanoseconds(f"{field}.{name}", length)
        if not _LEAST_HOP <= lengths[name] <= _LONGEST:
            shown = f"{lengths[name] / _NANOS} s"
            raise fields.invalid(f"{field}.{name}", shown, "must be from 0.01 s to 3600 s")
    read = WindowRule(lengths["window"], lengths["hop"], lengths["single"])
    if read.hop_ns > read.window_ns:
        raise fields.invalid(
            f"{field}.hop", f"{read.hop_ns / _NANOS} s", "must be at most the window"
        )
    if read.single_ns < read.window_ns:
        raise fields.invalid(
            f"{field}.single", f"{read.single_ns / _NANOS} s", "must be the window or longer"
        )
    return read


def wanted_model(request: BeginMigrationRequest) -> Model | None:
    """Returns the model of the next generation; None for the library's own."""
    if not request.model:
        return None
    if not request.purpose:
        raise fields.invalid("purpose", request.purpose, "must be that of the model")
    name = names.check_model("model", request.model)
    return Model(name, purpose("purpose", request.purpose))


def index_checks(request: ClaimIndexChecksRequest) -> int:
    """Returns the number of libraries to claim."""
    most = int(limits.of(request, "limit").maximum)
    return fields.count("limit", request.limit, most) or 1


def index_state(request: ReportIndexStateRequest) -> IndexState | None:
    """Returns what a library lacks; None for nothing."""
    if not request.HasField("index_state"):
        return None
    value = request.index_state
    fields.count("index_state.indexed_count", value.indexed_count)
    fields.count("index_state.expected_count", value.expected_count)
    return value


def progress(request: ReportMigrationRequest) -> Migration:
    """Reads a worker's progress with its first failures."""
    value = request.migration
    most = limits.of(value, "failures").max_items
    return Migration(
        clip_count=fields.count("migration.clip_count", value.clip_count),
        done_count=fields.count("migration.done_count", value.done_count),
        failed_count=fields.count("migration.failed_count", value.failed_count),
        cursor=fields.text("migration.cursor", value),
        failures=[_failure(entry) for entry in value.failures[:most]],
        comparison=_comparison(value.comparison) if value.HasField("comparison") else None,
    )


def _comparison(value: Comparison) -> Comparison:
    at = "migration.comparison"
    return Comparison(
        sample_count=fields.count(f"{at}.sample_count", value.sample_count),
        overlap=fields.within(f"{at}.overlap", value),
        same_nearest_count=fields.count(f"{at}.same_nearest_count", value.same_nearest_count),
        labelled_by=fields.text(f"{at}.labelled_by", value),
        present_eer=fields.within(f"{at}.present_eer", value),
        coming_eer=fields.within(f"{at}.coming_eer", value),
    )


def _failure(value: MigrationFailure) -> MigrationFailure:
    return MigrationFailure(
        clip=value.clip[:_NAME_LENGTH],
        reason=fields.shortened("reason", value),
        message=fields.shortened("message", value),
    )
