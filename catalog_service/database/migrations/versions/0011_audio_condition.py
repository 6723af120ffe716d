"""Clips have the condition of their stored audio, and a pass over all of it outlives a restart.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from catalog_service.database.schema import UtcTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COLUMN = "audio_condition"
INDEX = "ix_clips_audio_condition"
TABLE = "audio_checks"


def upgrade() -> None:
    """Makes column, index and table if they are not there."""
    there = sa.inspect(op.get_bind())
    if COLUMN not in {column["name"] for column in there.get_columns("clips")}:
        op.add_column(
            "clips", sa.Column(COLUMN, sa.SmallInteger, nullable=False, server_default="0")
        )
    if INDEX not in {index["name"] for index in there.get_indexes("clips")}:
        op.create_index(INDEX, "clips", [COLUMN, "id"], sqlite_where=sa.text("audio_condition > 0"))
    if not there.has_table(TABLE):
        op.create_table(
            TABLE,
            sa.Column("name", sa.String(16), primary_key=True),
            sa.Column("cursor", sa.String(26), nullable=False),
            sa.Column("begin_time", UtcTime),
            sa.Column("hashed_since_time", UtcTime),
            sa.Column("worker", sa.String(26), nullable=False),
            sa.Column("lease_until", UtcTime, nullable=False),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
