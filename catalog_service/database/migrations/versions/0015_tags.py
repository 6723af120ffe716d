"""Clips have tags: in their row to be read, and in a table of their own to be found by.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLE = "clip_tags"
INDEX = "ix_clip_tags_name"
COLUMN = "tags"
_ID = sa.String(26)


def upgrade() -> None:
    """Makes the column, the table and its index if they are not there."""
    there = sa.inspect(op.get_bind())
    if COLUMN not in {column["name"] for column in there.get_columns("clips")}:
        op.add_column("clips", sa.Column(COLUMN, sa.JSON))
    if not there.has_table(TABLE):
        op.create_table(
            TABLE,
            sa.Column("clip_id", _ID, primary_key=True),
            sa.Column("name", sa.String(127), primary_key=True),
            sa.Column("library_uid", _ID, nullable=False),
            sa.Column("score", sa.SmallInteger, nullable=False),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
    there = sa.inspect(op.get_bind())
    if INDEX not in {index["name"] for index in there.get_indexes(TABLE)}:
        op.create_index(INDEX, TABLE, ["library_uid", "name", "score", "clip_id"])
