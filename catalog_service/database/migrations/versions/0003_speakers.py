"""Speakers, what their clips are enrolled as, and calibrations of libraries.

A copy of the tables as they were then, as in the first schema. It can be run again after it was cut
off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMN = "enrolled_as"
INDEX = "ix_clips_enrolled"

metadata = sa.MetaData()
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
_ID = sa.String(26)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_CONTENT = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")

# There since the first schema; only what the others refer to.
sa.Table("libraries", metadata, sa.Column("uid", _ID, primary_key=True))

sa.Table(
    "speakers",
    metadata,
    sa.Column("uid", _ID, primary_key=True),
    sa.Column(
        "library_uid",
        _ID,
        sa.ForeignKey("libraries.uid", name="fk_speakers_library"),
        nullable=False,
    ),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("display_name", sa.String(255), nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("request_id", sa.String(64)),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("voiceprint_revision", sa.BigInteger, nullable=False),
    sa.Column("enrollment_count", sa.Integer, nullable=False),
    sa.Column("speech_ns", sa.BigInteger, nullable=False),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
    sa.UniqueConstraint("library_uid", "request_id", name="uq_speakers_request"),
    sa.Index("uq_speakers_name", "library_uid", "name", unique=True),
    sa.Index("ix_speakers_state", "library_uid", "state", "name", "update_time"),
    **_OPTIONS,
)

sa.Table(
    "calibrations",
    metadata,
    sa.Column(
        "library_uid",
        _ID,
        sa.ForeignKey("libraries.uid", name="fk_calibrations_library"),
        primary_key=True,
    ),
    sa.Column("content", _CONTENT, nullable=False),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
    **_OPTIONS,
)


def upgrade() -> None:
    """Makes the tables, the column and the indexes that are not there."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
    there = sa.inspect(bind)
    if COLUMN not in {column["name"] for column in there.get_columns("clips")}:
        op.add_column("clips", sa.Column(COLUMN, sa.String(63), nullable=False, server_default=""))
    if INDEX not in {index["name"] for index in there.get_indexes("clips")}:
        op.create_index(INDEX, "clips", ["library_uid", "state", COLUMN, "id"])
