"""Clips may refer to audio that lies elsewhere.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

COLUMN = "reference"


def upgrade() -> None:
    """Makes the column if it is not there."""
    there = sa.inspect(op.get_bind()).get_columns("clips")
    if COLUMN not in {column["name"] for column in there}:
        op.add_column("clips", sa.Column(COLUMN, sa.JSON))
