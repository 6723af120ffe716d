"""Libraries have the dimension of the vectors that they take. Those that are there take audio.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMN = "dimension"


def upgrade() -> None:
    """Makes the column if it is not there."""
    there = sa.inspect(op.get_bind()).get_columns("libraries")
    if COLUMN not in {column["name"] for column in there}:
        op.add_column(
            "libraries", sa.Column(COLUMN, sa.Integer, nullable=False, server_default="0")
        )
