"""The tables. Migrations build them; `migrations/versions` holds their history.

Texts are utf8mb4 and compared by code point. Times are UTC with microseconds.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine


class _TextTime(sqlite.DATETIME):
    """SQLite's times as the texts that they are: SQLAlchemy's way from and to texts is slow."""

    def bind_processor(self, dialect: Dialect) -> None:
        """Takes texts."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Gives texts."""


_MYSQL_TIME: DateTime = mysql.DATETIME(fsp=6)
_SQLITE_TIME: DateTime = _TextTime()  # type: ignore[no-untyped-call]


class UtcTime(TypeDecorator[datetime]):
    """A time: aware and UTC in Python, without zone and to the microsecond in the database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """MySQL keeps whole seconds unless asked."""
        return dialect.type_descriptor(_SQLITE_TIME if dialect.name == "sqlite" else _MYSQL_TIME)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Takes the zone off."""
        if value is None:
            return None
        plain = value.astimezone(timezone.utc).replace(tzinfo=None)
        return plain.isoformat(" ", "microseconds") if dialect.name == "sqlite" else plain

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Puts the zone on."""
        if value is None:
            return None
        plain = datetime.fromisoformat(value) if dialect.name == "sqlite" else value
        return plain.replace(tzinfo=timezone.utc)


metadata = MetaData()
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
_ID = String(26)
_NAME = String(255)
_CONTENT = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")

libraries = Table(
    "libraries",
    metadata,
    Column("uid", _ID, primary_key=True),
    Column("name", String(63), nullable=False),
    Column("display_name", _NAME, nullable=False),
    Column("model", _NAME, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("request_id", String(64)),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    # 0 for a library that was made before there were windows; the default is for replicas that are
    # older than the column. Such a library has no rule.
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("window_ns", BigInteger),
    Column("hop_ns", BigInteger),
    Column("single_ns", BigInteger),
    # 0 for a library for audio.
    Column("dimension", Integer, nullable=False, server_default="0"),
    # 0 for one for vectors, and for one for audio that was made before there were purposes: that is
    # one for voices.
    Column("purpose", SmallInteger, nullable=False, server_default="0"),
    # The generation that its model came with; 0 for the model that it was made with.
    Column("model_generation", Integer, nullable=False, server_default="0"),
    # The highest generation that it has had or was to have.
    Column("last_generation", Integer, nullable=False, server_default="0"),
    # A Migration message; all four are NULL while there is none. One that waits to be told to go on
    # has no begin time.
    Column("migration", _CONTENT),
    Column("migration_worker", String(64)),
    Column("migration_lease_until", UtcTime),
    Column("migration_begin_time", UtcTime),
    # An IndexState message; NULL while its indexes lack nothing.
    Column("index_state", _CONTENT),
    # The last worker that compared its indexes, and when they are to be compared again; none and
    # NULL for at once.
    Column("index_worker", String(64)),
    Column("index_due_time", UtcTime),
    # Leases; see leases.py. Times of ends are kept for replicas that are older than these columns.
    Column("migration_renewals", BigInteger, nullable=False, server_default="0"),
    Column("migration_lease_ms", Integer, nullable=False, server_default="30000"),
    Column("index_renewals", BigInteger, nullable=False, server_default="0"),
    Column("index_lease_ms", Integer, nullable=False, server_default="30000"),
    UniqueConstraint("name", name="uq_libraries_name"),
    Index("ix_libraries_state", "state", "name"),
    Index("ix_libraries_migration", "migration_begin_time"),
    **_OPTIONS,
)

clips = Table(
    "clips",
    metadata,
    Column("id", _ID, primary_key=True),
    Column(
        "library_uid", _ID, ForeignKey("libraries.uid", name="fk_clips_library"), nullable=False
    ),
    Column("state", SmallInteger, nullable=False),
    Column("request_id", String(64)),
    Column("display_name", _NAME, nullable=False),
    Column("label", _NAME, nullable=False),
    Column("speaker", _NAME, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("source", Text, nullable=False),
    Column("import_job", _ID, nullable=False),
    Column("content_sha256", String(64)),
    # Bytes that are stored here, so 0 for audio that lies elsewhere.
    Column("size_bytes", BigInteger),
    Column("content_type", String(64)),
    Column("duration_ns", BigInteger),
    Column("active_duration_ns", BigInteger),
    Column("sample_rate", Integer),
    Column("channels", Integer),
    Column("format", String(64)),
    Column("level_dbfs", Double),
    Column("failure_reason", String(63)),
    Column("failure_message", String(1023)),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    # The {speaker} part of the name of the speaker whose enrollment it is. The default is for
    # replicas that are older than the column.
    Column("enrolled_as", String(63), nullable=False, server_default=""),
    # The channel that is heard, counted from 1; 0 for all, mixed to one.
    Column("channel", SmallInteger, nullable=False, server_default="0"),
    # Numbers of AudioRemark; NULL for none.
    Column("remarks", JSON(none_as_null=True)),
    # Changes of what is mirrored in the index, plus one.
    Column("revision", BigInteger, nullable=False, server_default="1"),
    # Rows in the index of windows; 0 while not known.
    Column("window_count", Integer, nullable=False, server_default="0"),
    # An AudioCondition.
    Column("audio_condition", SmallInteger, nullable=False, server_default="0"),
    # Pairs of a tag and its score in thousandths, the surest first; NULL for none.
    Column("tags", JSON(none_as_null=True)),
    # The outline of its audio; NULL while not known.
    Column("peaks", LargeBinary(1000)),
    # Its owner, as in clips/quotas.py; empty for none.
    Column("owner", String(63), nullable=False, server_default=""),
    # The hash of a clip that is TRASHED, or CREATING because it is being restored; NULL otherwise.
    Column("trashed_sha256", String(64)),
    # The parts of a Reference, as in audio/audio_store.py; NULL for audio that is stored here.
    Column("reference", JSON(none_as_null=True)),
    # A clip that has no audio, had to give it up, or is TRASHED has no hash: NULL is never a
    # duplicate.
    UniqueConstraint("library_uid", "content_sha256", "channel", name="uq_clips_content"),
    UniqueConstraint("library_uid", "request_id", name="uq_clips_request"),
    # size_bytes is in it so that counting a library reads the index alone.
    Index("ix_clips_state", "library_uid", "state", "id", "size_bytes"),
    Index("ix_clips_label", "library_uid", "state", "label", "id"),
    Index("ix_clips_speaker", "library_uid", "state", "speaker", "id"),
    Index("ix_clips_display_name", "library_uid", "state", "display_name", "id"),
    Index("ix_clips_duration", "library_uid", "state", "duration_ns", "id"),
    Index("ix_clips_import_job", "library_uid", "state", "import_job", "id"),
    Index("ix_clips_update_time", "library_uid", "state", "update_time", "id"),
    Index("ix_clips_enrolled", "library_uid", "state", "enrolled_as", "id"),
    Index(
        "ix_clips_audio_condition",
        "audio_condition",
        "id",
        sqlite_where=text("audio_condition > 0"),
    ),
    Index("ix_clips_windows", "library_uid", "state", "window_count"),
    # size_bytes is in it for the same reason as in that of the state.
    Index("ix_clips_owner", "owner", "state", "size_bytes"),
    **_OPTIONS,
)

# The last count of what owners with quotas have, with the additions since; see clips/quotas.py.
owners = Table(
    "owners",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("clips", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("count_time", UtcTime, nullable=False),
    **_OPTIONS,
)

# Sounds that are searched with, kept for a time; their audio is beside that of clips.
queries = Table(
    "queries",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("library_uid", _ID, nullable=False),
    Column("display_name", _NAME, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("expire_time", UtcTime, nullable=False),
    Index("ix_queries_library", "library_uid", "id"),
    Index("ix_queries_content", "library_uid", "content_sha256", "channel"),
    Index("ix_queries_expire_time", "expire_time"),
    **_OPTIONS,
)

# The tags of clips, to find clips by; those of a clip go in the transaction that removes its row.
clip_tags = Table(
    "clip_tags",
    metadata,
    Column("clip_id", _ID, primary_key=True),
    Column("name", String(127), primary_key=True),
    Column("library_uid", _ID, nullable=False),
    # In thousandths.
    Column("score", SmallInteger, nullable=False),
    Index("ix_clip_tags_name", "library_uid", "name", "score", "clip_id"),
    **_OPTIONS,
)

# The vectors of clips, in parts; those of a clip go in the transaction that removes its row.
kept_vectors = Table(
    "kept_vectors",
    metadata,
    Column("clip_id", _ID, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    # The number of all parts, in the last one; 0 in the others.
    Column("part_count", Integer, nullable=False),
    Column("library_uid", _ID, nullable=False),
    # A KeptVectors message without its clip.
    Column("content", _CONTENT, nullable=False),
    Index("ix_kept_vectors_library", "library_uid", "generation"),
    **_OPTIONS,
)

# The progress of passes over all audio; see audio/check_rows.py.
audio_checks = Table(
    "audio_checks",
    metadata,
    Column("name", String(16), primary_key=True),
    # The last clip that was compared.
    Column("cursor", _ID, nullable=False),
    # Begin of the pass; NULL between two.
    Column("begin_time", UtcTime),
    # Begin of the last pass that ended.
    Column("hashed_since_time", UtcTime),
    Column("worker", _ID, nullable=False),
    Column("lease_until", UtcTime, nullable=False),
    Column("renewals", BigInteger, nullable=False, server_default="0"),
    Column("lease_ms", Integer, nullable=False, server_default="30000"),
    **_OPTIONS,
)

speakers = Table(
    "speakers",
    metadata,
    Column("uid", _ID, primary_key=True),
    Column(
        "library_uid",
        _ID,
        ForeignKey("libraries.uid", name="fk_speakers_library"),
        nullable=False,
    ),
    Column("name", String(63), nullable=False),
    Column("display_name", _NAME, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("request_id", String(64)),
    Column("revision", BigInteger, nullable=False),
    Column("voiceprint_revision", BigInteger, nullable=False),
    Column("enrollment_count", Integer, nullable=False),
    Column("speech_ns", BigInteger, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    Column("agreement", Double),
    UniqueConstraint("library_uid", "request_id", name="uq_speakers_request"),
    # An index, not a constraint: lists name it, and SQLite gives constraints names of its own.
    Index("uq_speakers_name", "library_uid", "name", unique=True),
    # update_time is in it so that a list of those changed before a time reads no other rows.
    Index("ix_speakers_state", "library_uid", "state", "name", "update_time"),
    **_OPTIONS,
)

calibrations = Table(
    "calibrations",
    metadata,
    Column(
        "library_uid",
        _ID,
        ForeignKey("libraries.uid", name="fk_calibrations_library"),
        primary_key=True,
    ),
    # A Calibration message without its name and times.
    Column("content", _CONTENT, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    **_OPTIONS,
)

import_jobs = Table(
    "import_jobs",
    metadata,
    Column("id", _ID, primary_key=True),
    Column(
        "library_uid",
        _ID,
        ForeignKey("libraries.uid", name="fk_import_jobs_library"),
        nullable=False,
    ),
    Column("state", SmallInteger, nullable=False),
    Column("request_id", String(64)),
    Column("folder", Text, nullable=False),
    Column("label", _NAME, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("imported", BigInteger, nullable=False),
    Column("existing", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("cursor", Text, nullable=False),
    Column("failures", JSON, nullable=False),
    Column("passed_over", JSON),
    # NULL for jobs of before there were any.
    Column("duplicates", JSON),
    Column("failure_reason", String(63)),
    Column("failure_message", String(1023)),
    Column("cancel_requested", Boolean, nullable=False),
    Column("worker", String(64), nullable=False),
    Column("lease_until", UtcTime, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    Column("channel", SmallInteger, nullable=False, server_default="0"),
    Column("remarks", JSON),
    Column("renewals", BigInteger, nullable=False, server_default="0"),
    Column("lease_ms", Integer, nullable=False, server_default="30000"),
    # The quota of its clips; 0 for any number.
    Column("owner", String(63), nullable=False, server_default=""),
    Column("max_clips", BigInteger, nullable=False, server_default="0"),
    Column("max_bytes", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("library_uid", "request_id", name="uq_import_jobs_request"),
    Index("ix_import_jobs_library", "library_uid", "id"),
    Index("ix_import_jobs_state", "state", "id"),
    Index("ix_import_jobs_library_state", "library_uid", "state", "id"),
    **_OPTIONS,
)
