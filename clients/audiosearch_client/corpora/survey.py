"""Surveys: counts over the entries of an import, without reading any audio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from audiosearch_client.corpora.entry import Source
from serving.errors import Reason, ServiceError

SHOWN = 5


def told_kinds(passed_over: Mapping[str, int]) -> str:
    """The files passed over, by kind and in words; empty if there are none."""
    if not passed_over:
        return ""
    ranked = sorted(passed_over.items(), key=lambda pair: (-pair[1], pair[0]))
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in ranked)
    return f"{sum(passed_over.values()):,} passed over ({kinds})"


@dataclass
class Survey:
    """Counts over a source. Memory grows with speakers, labels and sessions, not with files."""

    files: int = 0
    unfit: int = 0
    missing: int = 0
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """Files that are no audio, by kind; they are not among `files`."""

    size_bytes: int = 0
    speakers: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    sessions: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of speaker and session, because a corpus numbers sessions per speaker."""

    failures: list[tuple[str, str]] = field(default_factory=list)
    """The first paths that do not match or are missing, each with its reason."""

    def fail(self, path: str, why: str) -> None:
        """Keeps the failure if it is one of the first."""
        if len(self.failures) < SHOWN:
            self.failures.append((path, why))


def count(source: Source) -> int:
    """The number of entries of a source.

    Raises:
        ServiceError: PATH_NOT_FOUND if there is none; FIELD_INVALID if all are failures.
    """
    total = fit = 0
    first = None
    for entry in source.entries():
        total += 1
        fit += entry.failure is None
        first = first or entry
    if first is None:
        raise without_audio(source.where, source.passed_over)
    if not fit:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"none of {total:,} files below {source.where} can be imported; the first, "
            f"{first.path}: {first.failure}",
        )
    return total


def require_audio(source: Source) -> None:
    """Raises ServiceError, PATH_NOT_FOUND, if a source has no entry."""
    if next(source.entries(), None) is None:
        raise without_audio(source.where, source.passed_over)


def without_audio(root: object, passed_over: Mapping[str, int]) -> ServiceError:
    """The failure of an import without any file."""
    return ServiceError(
        Reason.PATH_NOT_FOUND,
        f"there is no audio file below {root}: " + (told_kinds(passed_over) or "check the path"),
    )


def survey(source: Source) -> Survey:
    """Reads a source once and counts."""
    found = Survey()
    for entry in source.entries():
        found.files += 1
        if entry.failure:
            found.unfit += 1
            found.fail(entry.path, entry.failure.message)
            continue
        try:
            size = entry.size_bytes if entry.uri else (source.root / entry.path).stat().st_size
        except OSError as error:
            found.missing += 1
            found.fail(entry.path, error.strerror or "it can't be read")
            continue
        found.size_bytes += size
        if entry.speaker:
            found.speakers[entry.speaker] += 1
        if entry.label:
            found.labels[entry.label] += 1
        if "session" in entry.metadata:
            found.sessions.add((entry.speaker, entry.metadata["session"]))
    found.passed_over = dict(source.passed_over)
    return found
