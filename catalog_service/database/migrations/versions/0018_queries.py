"""Sounds that are searched with are kept for a time, so that links to searches work.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLE = "queries"
INDEXES = {
    "ix_queries_library": ["library_uid", "id"],
    "ix_queries_content": ["library_uid", "content_sha256", "channel"],
    "ix_queries_expire_time": ["expire_time"],
}
_ID = sa.String(26)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Makes the table and the indexes that are not there."""
    if not sa.inspect(op.get_bind()).has_table(TABLE):
        op.create_table(
            TABLE,
            sa.Column("id", _ID, primary_key=True),
            sa.Column("library_uid", _ID, nullable=False),
            sa.Column("display_name", sa.String(255), nullable=False),
            sa.Column("channel", sa.SmallInteger, nullable=False),
            sa.Column("content_sha256", sa.String(64), nullable=False),
            sa.Column("size_bytes", sa.BigInteger, nullable=False),
            sa.Column("content_type", sa.String(64), nullable=False),
            sa.Column("create_time", _TIME, nullable=False),
            sa.Column("expire_time", _TIME, nullable=False),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(TABLE)}
    for name, columns in INDEXES.items():
        if name not in there:
            op.create_index(name, TABLE, columns)
