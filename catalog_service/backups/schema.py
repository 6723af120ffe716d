"""The revision of the schema that rows are of."""

from __future__ import annotations

from sqlalchemy import Connection, text

from serving.errors import Reason, ServiceError

FIRST = "0015"
"""The first revision that backups were made of. All later ones only add columns with defaults."""


def revision(connection: Connection) -> str:
    """The revision of the database."""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def require_known(connection: Connection, schema: str) -> None:
    """Raises BACKUP_INCOMPATIBLE unless rows of this revision can be written."""
    own = revision(connection)
    if not FIRST <= schema <= own:
        raise ServiceError(
            Reason.BACKUP_INCOMPATIBLE,
            f"the backup has rows of schema {schema}, and this catalog takes those of {FIRST} to "
            f"{own}: restore it with the version of Audiosearch that made it, or a newer one",
            {"schema": schema, "own": own},
        )
