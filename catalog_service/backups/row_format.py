"""Rows as a backup holds them: columns as JSON, whatever the database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from audiosearch.catalog.v1.backup_pb2 import BackupRow
from sqlalchemy import Column, LargeBinary, Table
from sqlalchemy.exc import StatementError

from catalog_service.database.schema import (
    UtcTime,
    calibrations,
    clips,
    import_jobs,
    kept_vectors,
    libraries,
    speakers,
)
from catalog_service.fields import invalid

TABLES = {
    table.name: table
    for table in (libraries, calibrations, import_jobs, speakers, clips, kept_vectors)
}
"""Tables of a backup, each after those that it refers to. The tags of clips are in their rows."""
_LEASED = ("worker", "lease_until", "lease_ms", "renewals")
_OF_THIS_CATALOG = {
    *(f"{prefix}{end}" for prefix in ("", "migration_", "index_") for end in _LEASED),
    "index_state",
    "index_due_time",
}
"""Columns about workers of the catalog that the rows are read from."""
_CLIP_KEYS = {clips.name: "id", kept_vectors.name: "clip_id"}


def packed(table: Table, values: Mapping[str, Any]) -> BackupRow:
    """A row of a table."""
    content = _content_of(table)
    columns: dict[str, Any] = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if name not in _OF_THIS_CATALOG and (content is None or name != content.name)
    }
    has_audio = table is clips and columns["content_sha256"] is not None
    return BackupRow(
        table=table.name,
        columns=json.dumps(columns, separators=(",", ":")).encode(),
        content=None if content is None else values[content.name],
        clip_id=columns[_CLIP_KEYS[table.name]] if table.name in _CLIP_KEYS else "",
        audio_bytes=columns["size_bytes"] or 0 if has_audio else 0,
    )


def unpacked(row: BackupRow) -> tuple[Table, dict[str, Any]]:
    """The table and the values of a row. Columns that are newer than it are left out.

    Raises:
        ServiceError: FIELD_INVALID for a table or a column that is none, or values that fit none.
    """
    table = TABLES.get(row.table)
    if table is None:
        raise invalid("rows.table", row.table, "must be a table of a backup")
    try:
        values = json.loads(row.columns)
        found = {name: _value(table.c[name], value) for name, value in values.items()}
    except (ValueError, KeyError, TypeError, AttributeError, StatementError) as error:
        raise invalid("rows.columns", str(error), f"must be columns of {row.table}") from None
    content = _content_of(table)
    if content is not None and row.HasField("content"):
        found[content.name] = row.content
    for column in table.c:
        needed = not column.nullable and column.server_default is None
        if needed and found.get(column.name) is None and column.name not in _OF_THIS_CATALOG:
            raise invalid("rows.columns", column.name, f"must have all columns of {row.table}")
    return table, found


def _value(column: Column[Any], value: Any) -> Any:
    if isinstance(column.type, UtcTime) and value is not None:
        return datetime.fromisoformat(value)
    return value


def _content_of(table: Table) -> Column[Any] | None:
    """The column of bytes of a table; None if it has none."""
    wanted = (
        column
        for column in table.c
        if isinstance(column.type, LargeBinary) and column.name not in _OF_THIS_CATALOG
    )
    return next(wanted, None)
