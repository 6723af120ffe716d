"""Clips have the outlines of their audio.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the column if it is not there."""
    there = sa.inspect(op.get_bind())
    if "peaks" not in {column["name"] for column in there.get_columns("clips")}:
        op.add_column("clips", sa.Column("peaks", sa.LargeBinary(1000)))
