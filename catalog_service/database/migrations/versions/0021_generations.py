"""Libraries keep their last generation, so that none has the number of one that was given up.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

COLUMN = "last_generation"


def upgrade() -> None:
    """Makes the column if it is not there. The present generation counts, too."""
    there = sa.inspect(op.get_bind()).get_columns("libraries")
    if COLUMN not in {column["name"] for column in there}:
        op.add_column(
            "libraries", sa.Column(COLUMN, sa.Integer, nullable=False, server_default="0")
        )
