"""Import jobs of one library in one state are listed along an index.

It can be run again after it was cut off: MySQL keeps what a migration did before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEX = "ix_import_jobs_library_state"


def upgrade() -> None:
    """Makes the index if it is not there."""
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("import_jobs")}
    if INDEX not in there:
        op.create_index(INDEX, "import_jobs", ["library_uid", "state", "id"])
