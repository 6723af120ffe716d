"""Clips and imports have a channel, and clips have remarks. Earlier ones are heard mixed.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("clips", "import_jobs")
UNIQUE = "uq_clips_content"
CONTENT = ["library_uid", "content_sha256", "channel"]


def upgrade() -> None:
    """Makes the columns that are not there, and lets the same bytes be a clip for each channel."""
    bind = op.get_bind()
    there = sa.inspect(bind)
    for table in TABLES:
        if "channel" not in {column["name"] for column in there.get_columns(table)}:
            op.add_column(
                table, sa.Column("channel", sa.SmallInteger, nullable=False, server_default="0")
            )
    if "remarks" not in {column["name"] for column in there.get_columns("clips")}:
        op.add_column("clips", sa.Column("remarks", sa.JSON))
    unique = {it["name"]: it["column_names"] for it in there.get_unique_constraints("clips")}
    if unique[UNIQUE] == CONTENT:
        return
    if bind.dialect.name == "sqlite":
        with op.batch_alter_table("clips") as clips:
            clips.drop_constraint(UNIQUE, type_="unique")
            clips.create_unique_constraint(UNIQUE, CONTENT)
    else:
        # One statement, so that the table is never without it: replicas name it in their queries.
        op.execute(
            f"ALTER TABLE clips DROP INDEX {UNIQUE}, ADD UNIQUE {UNIQUE} ({', '.join(CONTENT)})"
        )
