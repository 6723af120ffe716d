"""The question of a search: its config, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audiosearch.gateway.v1.search_pb2 import DETAIL_CLIPS, Detail, SearchConfig

from gateway.search import filters, grouping
from gateway.search.filters import Filter
from gateway.search.neighbors import DECIMALS
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import check_library

MAX_K = int(limits.of(SearchConfig, "k").maximum)
_SCORES = limits.of(SearchConfig, "min_score")
_SEGMENTS = 3


@dataclass(frozen=True)
class Question:
    """A config, checked."""

    config: SearchConfig
    libraries: Sequence[str]
    """Names of the libraries to search, `parent` first."""
    least: float | None
    """Lowest score of a match, rounded to DECIMALS; None if none is too low."""
    scope: Filter
    group_by: str
    group_size: int
    segments: int
    """Most segments of a match; 0 for none."""

    @property
    def needs_windows(self) -> str:
        """The part of the config that a library without windows can't answer; empty if none."""
        if self.config.filter.ByteSize() and (self.scope.conditions or self.scope.empty):
            return "a filter"
        return "group_by" if self.group_by != grouping.CLIP else ""


def read(config: SearchConfig) -> Question:
    """Checks a config.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    check_library(config.parent, "config.parent")
    if config.HasField("k") and not 1 <= config.k <= MAX_K:
        raise _invalid("k", f"{config.k} is not from 1 to {MAX_K:,}")
    if math.isnan(config.min_score) or not _SCORES.minimum <= config.min_score <= _SCORES.maximum:
        span = f"{_SCORES.minimum:g} to {_SCORES.maximum:g}"
        raise _invalid("min_score", f"{config.min_score} is not from {span}")
    for field in ("segments_per_match", "group_size"):
        value, limit = getattr(config, field), limits.of(config, field)
        if not limit.minimum <= value <= limit.maximum:
            raise _invalid(field, f"{value} is not from {limit.minimum:g} to {limit.maximum:g}")
    if config.detail not in Detail.values():
        raise _invalid("detail", f"{config.detail} is none")
    return Question(
        config=config,
        libraries=_libraries(config),
        least=round(config.min_score, DECIMALS) if config.HasField("min_score") else None,
        scope=filters.read(config.parent, config.filter),
        group_by=grouping.check_field(config.group_by),
        group_size=config.group_size or 1,
        segments=0 if config.detail == DETAIL_CLIPS else config.segments_per_match or _SEGMENTS,
    )


def _libraries(config: SearchConfig) -> list[str]:
    most = limits.of(config, "more_libraries").max_items
    if len(config.more_libraries) > most:
        count = len(config.more_libraries)
        raise _invalid("config.more_libraries", f"{count:,} libraries; at most {most} are allowed")
    for name in config.more_libraries:
        check_library(name, "config.more_libraries")
    return list(dict.fromkeys([config.parent, *config.more_libraries]))


def _invalid(field: str, problem: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{field}: {problem}", {"field": field})
