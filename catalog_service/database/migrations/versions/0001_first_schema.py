"""The first schema: libraries, clips, import jobs.

A copy of the tables as they were then: later changes of `catalog_service.database.schema` must not
change what this file does. It can be run again after it was cut off.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

metadata = sa.MetaData()
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
_ID = sa.String(26)
_NAME = sa.String(255)
_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

sa.Table(
    "libraries",
    metadata,
    sa.Column("uid", _ID, primary_key=True),
    sa.Column("name", sa.String(63), nullable=False),
    sa.Column("display_name", _NAME, nullable=False),
    sa.Column("model", _NAME, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("request_id", sa.String(64)),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
    sa.UniqueConstraint("name", name="uq_libraries_name"),
    sa.Index("ix_libraries_state", "state", "name"),
    **_OPTIONS,
)

sa.Table(
    "clips",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column(
        "library_uid", _ID, sa.ForeignKey("libraries.uid", name="fk_clips_library"), nullable=False
    ),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("request_id", sa.String(64)),
    sa.Column("display_name", _NAME, nullable=False),
    sa.Column("label", _NAME, nullable=False),
    sa.Column("speaker", _NAME, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("import_job", _ID, nullable=False),
    sa.Column("content_sha256", sa.String(64)),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("content_type", sa.String(64)),
    sa.Column("duration_ns", sa.BigInteger),
    sa.Column("active_duration_ns", sa.BigInteger),
    sa.Column("sample_rate", sa.Integer),
    sa.Column("channels", sa.Integer),
    sa.Column("format", sa.String(64)),
    sa.Column("level_dbfs", sa.Double),
    sa.Column("failure_reason", sa.String(63)),
    sa.Column("failure_message", sa.String(1023)),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
    sa.UniqueConstraint("library_uid", "content_sha256", name="uq_clips_content"),
    sa.UniqueConstraint("library_uid", "request_id", name="uq_clips_request"),
    sa.Index("ix_clips_state", "library_uid", "state", "id", "size_bytes"),
    sa.Index("ix_clips_label", "library_uid", "state", "label", "id"),
    sa.Index("ix_clips_speaker", "library_uid", "state", "speaker", "id"),
    sa.Index("ix_clips_display_name", "library_uid", "state", "display_name", "id"),
    sa.Index("ix_clips_import_job", "library_uid", "state", "import_job", "id"),
    sa.Index("ix_clips_update_time", "library_uid", "state", "update_time", "id"),
    **_OPTIONS,
)

sa.Table(
    "import_jobs",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column(
        "library_uid",
        _ID,
        sa.ForeignKey("libraries.uid", name="fk_import_jobs_library"),
        nullable=False,
    ),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("request_id", sa.String(64)),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("label", _NAME, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("imported", sa.BigInteger, nullable=False),
    sa.Column("existing", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("cursor", sa.Text, nullable=False),
    sa.Column("failures", sa.JSON, nullable=False),
    sa.Column("failure_reason", sa.String(63)),
    sa.Column("failure_message", sa.String(1023)),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("worker", sa.String(64), nullable=False),
    sa.Column("lease_until", _TIME, nullable=False),
    sa.Column("create_time", _TIME, nullable=False),
    sa.Column("update_time", _TIME, nullable=False),
    sa.UniqueConstraint("request_id", name="uq_import_jobs_request"),
    sa.Index("ix_import_jobs_library", "library_uid", "id"),
    sa.Index("ix_import_jobs_state", "state", "id"),
    **_OPTIONS,
)


def upgrade() -> None:
    """Makes the tables and indexes that are not there."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in metadata.sorted_tables:
        for index in table.indexes:
            index.create(bind, checkfirst=True)
