"""Clips have their vectors kept beside them; libraries what their indexes lack.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLE = "kept_vectors"
COUNTED = "ix_clips_windows"
_ID = sa.String(26)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_CONTENT = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    """Makes the table, the columns and the index that are not there."""
    there = sa.inspect(op.get_bind())
    if not there.has_table(TABLE):
        op.create_table(
            TABLE,
            sa.Column("clip_id", _ID, primary_key=True),
            sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("part_count", sa.Integer, nullable=False),
            sa.Column("library_uid", _ID, nullable=False),
            sa.Column("content", _CONTENT, nullable=False),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
    there = sa.inspect(op.get_bind())
    if "ix_kept_vectors_library" not in {index["name"] for index in there.get_indexes(TABLE)}:
        op.create_index("ix_kept_vectors_library", TABLE, ["library_uid", "generation"])
    if COUNTED not in {index["name"] for index in there.get_indexes("clips")}:
        op.create_index(COUNTED, "clips", ["library_uid", "state", "window_count"])
    wanted: list[sa.Column[Any]] = [
        sa.Column("index_state", _CONTENT),
        sa.Column("index_worker", sa.String(64)),
        sa.Column("index_due_time", _TIME),
    ]
    known = {column["name"] for column in there.get_columns("libraries")}
    for column in wanted:
        if column.name not in known:
            op.add_column("libraries", column)
