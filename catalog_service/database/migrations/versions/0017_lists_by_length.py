"""Clips are listed by their lengths.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEX = "ix_clips_duration"


def upgrade() -> None:
    """Makes the index if it is not there."""
    there = sa.inspect(op.get_bind())
    if INDEX not in {index["name"] for index in there.get_indexes("clips")}:
        op.create_index(INDEX, "clips", ["library_uid", "state", "duration_ns", "id"])
