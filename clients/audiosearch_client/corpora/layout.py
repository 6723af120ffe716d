"""Layouts: the rules by which a corpus names its files, and its lists of further fields."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiosearch_client.corpora.entry import Entry
from serving.errors import Reason, ServiceError

Details = Mapping[str, Mapping[str, str]]
"""Further fields, by the value of the field that they are looked up with."""

ReadList = Callable[[str], "bytes | None"]
"""Reads a list by its path from the corpus' root; None if it is not there.

Raises ValueError or OSError if it can't be read.
"""

MAX_LIST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class ListFile:
    """A list that a corpus may have beside its audio."""

    paths: tuple[str, ...]
    """Possible paths from the root; the first is its usual name."""

    key: str
    """Field of a file's path that rows are looked up with."""

    gives: str
    """Description, for people, of the fields that it gives."""

    read: Callable[[Sequence[str]], Details]
    """Reads its lines; raises an error if they are not as expected."""


@dataclass(frozen=True)
class Layout:
    """The rules by which one corpus names its files.

    The groups of `patterns` are the fields: `speaker`, and everything else as metadata.
    """

    name: str
    form: str
    """Description, for people, of a path."""

    patterns: tuple[re.Pattern[str], ...]
    list_file: ListFile | None = None
    labels: tuple[str, ...] = ()
    """Fields that can be the label, the best first."""

    name_parts: int = 1
    """Number of last parts of a path that identify a clip."""

    def details(self, read: ReadList) -> tuple[Details, tuple[str, ...]]:
        """The fields from the corpus' list, and a note if the list is missing.

        Args:
            read: reads a list by its path from the root.

        Raises:
            ServiceError: FIELD_INVALID if the list can't be parsed, and what `read` raises.
        """
        if self.list_file is None:
            return {}, ()
        for path in self.list_file.paths:
            try:
                text = read(path)
                if text is not None:
                    return self.list_file.read(text.decode("utf-8-sig").splitlines()), ()
            except (ValueError, LookupError, TypeError, AttributeError, csv.Error, OSError) as no:
                raise ServiceError(
                    Reason.FIELD_INVALID,
                    f"{path} is not a list as this corpus has it ({no}): get it again, or move it "
                    "away to go on without it",
                ) from no
        return {}, (f"{self.list_file.paths[0]} is not there: {self.list_file.gives}",)

    def describe(self, path: str, details: Details) -> Entry:
        """The entry for a path of the corpus, with a failure if the path does not match."""
        match = next((m for p in self.patterns if (m := p.fullmatch(path))), None)
        if match is None:
            return Entry(path, failure=self._unfit())
        fields = {name: value for name, value in match.groupdict().items() if value}
        if self.list_file:
            fields = {**details.get(fields.get(self.list_file.key, ""), {}), **fields}
        label = next((fields[name] for name in self.labels if name in fields), "")
        speaker = fields.pop("speaker", "")
        return Entry(
            path,
            speaker=speaker,
            label=label,
            display_name="/".join(path.split("/")[-self.name_parts :]),
            metadata={**fields, "corpus": self.name, "path": path},
        )

    def _unfit(self) -> ServiceError:
        return ServiceError(
            Reason.FIELD_INVALID, f"no file of {self.name}, whose files are {self.form}"
        )


def list_below(root: Path) -> ReadList:
    """Reads lists of a corpus in a folder."""

    def read(path: str) -> bytes | None:
        found = root / path
        if not found.is_file():
            return None
        check_list_size(found.stat().st_size)
        return found.read_bytes()

    return read


def check_list_size(size: int) -> None:
    """Raises ValueError for a list that is too large to be read."""
    if size > MAX_LIST_BYTES:
        raise ValueError("it is too large")
