"""Clips and import jobs have owners, whose quotas they count for. Earlier ones have none.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = "owners"
INDEX = "ix_clips_owner"
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Makes the columns, the index and the table that are not there."""
    _add("clips", sa.Column("owner", sa.String(63), nullable=False, server_default=""))
    _add("import_jobs", sa.Column("owner", sa.String(63), nullable=False, server_default=""))
    for limit in ("max_clips", "max_bytes"):
        _add("import_jobs", sa.Column(limit, sa.BigInteger, nullable=False, server_default="0"))
    there = sa.inspect(op.get_bind())
    if INDEX not in {index["name"] for index in there.get_indexes("clips")}:
        op.create_index(INDEX, "clips", ["owner", "state", "size_bytes"])
    if not there.has_table(TABLE):
        op.create_table(
            TABLE,
            sa.Column("name", sa.String(63), primary_key=True),
            sa.Column("clips", sa.BigInteger, nullable=False),
            sa.Column("size_bytes", sa.BigInteger, nullable=False),
            sa.Column("count_time", _TIME, nullable=False),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )


def _add(table: str, column: sa.Column[object]) -> None:
    there = sa.inspect(op.get_bind()).get_columns(table)
    if column.name not in {each["name"] for each in there}:
        op.add_column(table, column)
