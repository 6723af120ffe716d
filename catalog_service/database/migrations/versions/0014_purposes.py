"""Libraries have the purpose of their model, and the generation that it came with.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the columns that are not there."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("libraries")}
    for column in (
        sa.Column("purpose", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("model_generation", sa.Integer, nullable=False, server_default="0"),
    ):
        if column.name not in there:
            op.add_column("libraries", column)
