"""Clips in the trash keep the hash of their audio, which another clip may have meanwhile.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

COLUMN = "trashed_sha256"


def upgrade() -> None:
    """Makes the column if it is not there."""
    there = sa.inspect(op.get_bind()).get_columns("clips")
    if COLUMN not in {column["name"] for column in there}:
        op.add_column("clips", sa.Column(COLUMN, sa.String(64)))
