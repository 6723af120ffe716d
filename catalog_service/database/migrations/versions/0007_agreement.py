"""Speakers keep how well their enrollments agree. Earlier voiceprints have no such number.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMN = "agreement"


def upgrade() -> None:
    """Makes the column if it is not there."""
    there = sa.inspect(op.get_bind()).get_columns("speakers")
    if COLUMN not in {column["name"] for column in there}:
        op.add_column("speakers", sa.Column(COLUMN, sa.Double))
