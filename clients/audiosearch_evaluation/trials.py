"""Trial lists in the forms of VoxCeleb, CN-Celeb and Kaldi."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.errors import Reason, ServiceError

MAX_LINE = 100_000
_KINDS = {"1": True, "0": False, "target": True, "nontarget": False}
FORMS = "`1 FILE FILE`, `NAME FILE 1` or `NAME FILE target`, with 0 or nontarget for the others"


@dataclass
class TrialList:
    """Trials between enrollments and test files, all by name."""

    enrollments: dict[str, int] = field(default_factory=dict)
    """Number of each first side by its name."""

    tests: dict[str, int] = field(default_factory=dict)
    """Number of each second side by its name."""

    first: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    second: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    targets: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))


def read_trials(path: Path) -> TrialList:
    """Reads a trial list, with words separated by blanks. The first line determines its form.

    Raises:
        ServiceError: FIELD_INVALID with the number of a wrong line, or if one kind of trial is
            missing; PATH_NOT_FOUND.
    """
    trials = TrialList()
    first, second, targets = array("q"), array("q"), array("b")
    kind_at = None
    for number, words in _lines(path):
        if len(words) != 3:
            raise _wrong(path, number, f"{len(words)} words, and not {FORMS}")
        if kind_at is None:
            kind_at = 2 if words[2] in _KINDS else 0
        kind = _KINDS.get(words[kind_at])
        if kind is None or (kind_at == 0 and words[0] not in ("0", "1")):
            raise _wrong(path, number, f"{' '.join(words)[:100]!r} is not {FORMS}")
        one, other = words[:2] if kind_at else words[1:]
        first.append(trials.enrollments.setdefault(one, len(trials.enrollments)))
        second.append(trials.tests.setdefault(other, len(trials.tests)))
        targets.append(kind)
    trials.first = np.array(first, np.int64)
    trials.second = np.array(second, np.int64)
    trials.targets = np.array(targets, np.bool_)
    if trials.targets.all() or not trials.targets.any():
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"{path}: {len(targets)} trials, which are not both target trials and others; add the "
            "kind that is missing",
        )
    return trials


def read_enrollments(path: Path) -> dict[str, tuple[str, ...]]:
    """Reads CN-Celeb's enroll.map or enroll.lst: in each line a name, then its enrollment files.

    Raises:
        ServiceError: FIELD_INVALID with the number of a wrong line; PATH_NOT_FOUND.
    """
    found: dict[str, tuple[str, ...]] = {}
    for number, (name, *files) in _lines(path):
        if not files or name in found:
            why = "names no file" if not files else "is there already"
            raise _wrong(path, number, f"{name[:100]!r} {why}")
        found[name] = tuple(files)
    return found


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The words of each line that is not empty, with its number."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            number = 0
            while line := file.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE:
                    raise _wrong(path, number, f"it is longer than {MAX_LINE:,} characters")
                if words := line.split():
                    yield number, words
    except UnicodeDecodeError as error:
        raise ServiceError(
            Reason.FIELD_INVALID, f"{path} is no list of names: it is not UTF-8"
        ) from error
    except OSError as error:
        raise ServiceError(
            Reason.PATH_NOT_FOUND, f"{path} can't be read: {error.strerror}"
        ) from error


def _wrong(path: Path, line: int, why: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{path}: line {line}: {why}")
