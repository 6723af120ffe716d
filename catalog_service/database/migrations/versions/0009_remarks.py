"""Import jobs count the remarks about the audio of their files. Earlier jobs have no such counts.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMN = "remarks"


def upgrade() -> None:
    """Makes the column if it is not there."""
    there = sa.inspect(op.get_bind()).get_columns("import_jobs")
    if COLUMN not in {column["name"] for column in there}:
        op.add_column("import_jobs", sa.Column(COLUMN, sa.JSON))
