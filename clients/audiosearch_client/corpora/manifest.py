"""Manifests: CSV or JSONL files that list clips with their metadata."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from audiosearch_client.corpora.entry import Entry
from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url, is_whole, split

MAX_LINE = 1_000_000
"""Characters of one line at most."""

SHOWN = 10
_PREFIX = "metadata."
_COLUMNS = ("path", "label", "speaker", "display_name")
_NO_URL = (
    "path: objects of an object store are imported by `audiosearch bulk`, or stay there with "
    "--reference"
)
_FILE = "file:///"
_FIELDS = ", ".join((*_COLUMNS, "metadata"))


class _LineError(ValueError):
    """The problem with one line."""


def read(manifest: Path, *, objects: bool = False) -> Iterator[Entry]:
    """The entries of a manifest that passed `check`.

    Raises:
        ServiceError: FIELD_INVALID with the line's number.
    """
    for line, entry in _lines(manifest, objects=objects):
        if isinstance(entry, _LineError):
            raise _refused(manifest, [f"line {line}: {entry}"])
        yield entry


def check(manifest: Path, *, objects: bool = False) -> None:
    """Reads a manifest once to its end.

    Args:
        manifest: its path.
        objects: True if it may name objects of object stores too, by their URLs.

    Raises:
        ServiceError: FIELD_INVALID with the first wrong lines by number, or if there is no line.
    """
    wrong: list[str] = []
    count = more = 0
    for line, entry in _lines(manifest, objects=objects):
        count += 1
        if isinstance(entry, _LineError):
            more += len(wrong) == SHOWN
            wrong += [f"line {line}: {entry}"] if len(wrong) < SHOWN else []
    if more:
        wrong.append(f"and {more} lines more")
    if wrong or not count:
        raise _refused(manifest, wrong or ["it names no file"])


def _refused(manifest: Path, wrong: list[str]) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{manifest}: " + "; ".join(wrong))


def _lines(manifest: Path, *, objects: bool) -> Iterator[tuple[int, Entry | _LineError]]:
    """Entries, or the problems with them, with the number of their (last) line."""
    rows = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}.get(
        manifest.suffix.lower()
    )
    if rows is None:
        raise _refused(manifest, ["its name has to end in .csv or .jsonl"])
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            for line, row in rows(file):
                yield line, row if isinstance(row, _LineError) else _entry(row, objects=objects)
    except UnicodeDecodeError as error:
        raise _refused(manifest, [f"it is not UTF-8 ({error.reason})"]) from error
    except OSError as error:
        raise ServiceError(
            Reason.PATH_NOT_FOUND, f"{manifest} can't be read: {error.strerror}"
        ) from error
    except _LineError as error:
        raise _refused(manifest, [str(error)]) from error


def _short_lines(file: IO[str]) -> Iterator[str]:
    """Lines of limited length, so that no line fills the memory."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise _LineError(f"line {number}: it is longer than {MAX_LINE:,} characters")
        yield line


def _json_rows(file: IO[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(_short_lines(file), 1):
        if line.strip():
            yield number, _json(line)


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError as error:
        return _LineError(f"no JSON ({error})")
    except RecursionError:
        return _LineError("no JSON that can be read: it is nested too deep")


def _csv_rows(file: IO[str]) -> Iterator[tuple[int, object]]:
    reader = csv.reader(_short_lines(file), strict=True)
    header: list[str] = []
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _LineError(f"line {reader.line_num}: {error}") from error
        if not header:
            header = _header(fields)
        elif fields:
            yield reader.line_num, _csv_row(header, fields)


def _header(fields: list[str]) -> list[str]:
    columns = [field.strip() for field in fields]
    unknown = [
        name
        for name in columns
        if name not in _COLUMNS and not (name.startswith(_PREFIX) and name != _PREFIX)
    ]
    if "path" not in columns or unknown or len(set(columns)) < len(columns):
        why = f"not {unknown[0]!r}" if unknown else "path among them, each once"
        raise _LineError(f"line 1: the columns are {', '.join(_COLUMNS)} and {_PREFIX}NAME, {why}")
    return columns


def _csv_row(header: list[str], fields: list[str]) -> object:
    if len(fields) != len(header):
        return _LineError(f"{len(fields)} fields, where the first line has {len(header)}")
    row: dict[str, Any] = {"metadata": {}}
    for name, value in zip(header, fields, strict=True):
        if not name.startswith(_PREFIX):
            row[name] = value
        elif value:
            row["metadata"][name.removeprefix(_PREFIX)] = value
    return row


def _entry(row: object, *, objects: bool) -> Entry | _LineError:
    try:
        known, metadata = _fields(row)
    except _LineError as error:
        return error
    if is_url(known["path"]):
        return _object(known, metadata) if objects else _LineError(_NO_URL)
    if known["path"].startswith(_FILE):
        return _LineError(
            f"path: {known['path'][:100]!r} is the URL of a file; name files by their path below "
            "the manifest's folder, or below the place of --reference"
        )
    path = PurePosixPath(known["path"])
    if not path.name or path.is_absolute() or ".." in path.parts or "\0" in known["path"]:
        return _LineError(
            f"path: {known['path'][:100]!r} is not a path below the manifest's folder; name files "
            "from there, without .."
        )
    return _described(str(path), known, metadata)


def _object(known: dict[str, str], metadata: dict[str, str]) -> Entry | _LineError:
    url = known["path"]
    if not is_whole(url) or not split(url)[1] or url.endswith("/"):
        return _LineError(
            f"path: {url[:100]!r} names no object; write it as s3://BUCKET/KEY, gs:// or az://"
        )
    return _described(url, known, metadata)


def _described(path: str, known: dict[str, str], metadata: dict[str, str]) -> Entry:
    return Entry(
        path,
        speaker=known.get("speaker", ""),
        label=known.get("label", ""),
        display_name=known.get("display_name", "") or path.rpartition("/")[2],
        metadata={"path": path, **metadata},
    )


def _fields(row: object) -> tuple[dict[str, str], dict[str, str]]:
    """The columns of a row and its metadata, all of them text."""
    if not isinstance(row, dict):
        raise _LineError("not an object with the field path")
    known = {name: _text(name, value) for name, value in row.items() if name != "metadata"}
    if unknown := known.keys() - {*_COLUMNS}:
        raise _LineError(f"{min(unknown)[:100]}: there is no such field, only {_FIELDS}")
    if "path" not in known:
        raise _LineError("path: this field is required")
    metadata = row.get("metadata", {})
    if not isinstance(metadata, dict):
        raise _LineError("metadata: not an object of texts")
    return known, {name: _text(f"metadata.{name}", value) for name, value in metadata.items()}


def _text(name: str, value: object) -> str:
    """A number is taken as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _LineError(f"{name[:100]}: neither text nor a number")
    return str(value)
