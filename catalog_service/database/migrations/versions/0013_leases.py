"""Leases have a length and a count of renewals, so that no clock that somebody sets ends them.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LEASES = (
    ("libraries", "migration_"),
    ("libraries", "index_"),
    ("audio_checks", ""),
    ("import_jobs", ""),
)


def upgrade() -> None:
    """Makes the columns that are not there."""
    there = sa.inspect(op.get_bind())
    for table, prefix in LEASES:
        names = {column["name"] for column in there.get_columns(table)}
        for column in (
            sa.Column(f"{prefix}renewals", sa.BigInteger, nullable=False, server_default="0"),
            sa.Column(f"{prefix}lease_ms", sa.Integer, nullable=False, server_default="30000"),
        ):
            if column.name not in names:
                op.add_column(table, column)
