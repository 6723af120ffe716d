"""Clips have a revision and a number of windows; libraries a rule of windows, and a migration.

Libraries that are there stay of generation 0: they were made before there were windows. It can be
run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEX = "ix_libraries_migration"
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_CONTENT = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    """Makes the columns and the index that are not there."""
    columns: dict[str, list[sa.Column[Any]]] = {
        "clips": [
            sa.Column("revision", sa.BigInteger, nullable=False, server_default="1"),
            sa.Column("window_count", sa.Integer, nullable=False, server_default="0"),
        ],
        "libraries": [
            sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
            sa.Column("window_ns", sa.BigInteger),
            sa.Column("hop_ns", sa.BigInteger),
            sa.Column("single_ns", sa.BigInteger),
            sa.Column("migration", _CONTENT),
            sa.Column("migration_worker", sa.String(64)),
            sa.Column("migration_lease_until", _TIME),
            sa.Column("migration_begin_time", _TIME),
        ],
    }
    there = sa.inspect(op.get_bind())
    for table, wanted in columns.items():
        known = {column["name"] for column in there.get_columns(table)}
        for column in wanted:
            if column.name not in known:
                op.add_column(table, column)
    if INDEX not in {index["name"] for index in there.get_indexes("libraries")}:
        op.create_index(INDEX, "libraries", ["migration_begin_time"])
