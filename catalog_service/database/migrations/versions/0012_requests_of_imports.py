"""Request ids of imports belong to a library, as those of clips do.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UNIQUE = "uq_import_jobs_request"
REQUEST = ["library_uid", "request_id"]


def upgrade() -> None:
    """Lets each library have the same request id once."""
    bind = op.get_bind()
    there = sa.inspect(bind).get_unique_constraints("import_jobs")
    if {it["name"]: it["column_names"] for it in there}[UNIQUE] == REQUEST:
        return
    if bind.dialect.name == "sqlite":
        with op.batch_alter_table("import_jobs") as jobs:
            jobs.drop_constraint(UNIQUE, type_="unique")
            jobs.create_unique_constraint(UNIQUE, REQUEST)
    else:
        # One statement, so that the table is never without it.
        op.execute(
            f"ALTER TABLE import_jobs DROP INDEX {UNIQUE}, "
            f"ADD UNIQUE {UNIQUE} ({', '.join(REQUEST)})"
        )
