"""Settings of the catalog service."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from typing_extensions import Self

from catalog_service.audio.reference_uris import FOLDERS, split
from serving.audio_size import MAX_AUDIO_BYTES
from serving.disk.room import RESERVE_BYTES
from serving.settings import ServerSettings


class CatalogSettings(ServerSettings):
    """Catalog service: libraries, clips, speakers, import jobs and the audio itself."""

    port: int = Field(
        50053,
        ge=0,
        le=65535,
        alias="AUDIOSEARCH_CATALOG_PORT",
        description="port to listen on; 0 takes a free one",
    )
    data_dir: Path = Field(
        Path("data"),
        alias="AUDIOSEARCH_DATA_DIR",
        description="folder of all data; created if it is missing",
    )
    upload_path: Path | None = Field(
        None, alias="UPLOAD_PATH", description="folder of the audio; none means one in data"
    )
    audio_url: str | None = Field(
        None,
        alias="AUDIOSEARCH_AUDIO_URL",
        pattern=r"^(s3|gs|az)://[^/?#@\s]+(/[^?#\s]*)?$|^file:///[^?#]*$",
        description="[object store](operate.md#audio-in-an-object-store) of the audio, as in "
        "`s3://bucket/prefix`, `gs://` or `az://`, or a folder, as in `file:///audio`; none means "
        "the folder of the audio",
    )
    reference_urls: str = Field(
        "",
        alias="AUDIOSEARCH_REFERENCE_URLS",
        description="places, separated by commas, below which clips may "
        "[refer to audio](operate.md#clips-by-reference) that stays there: `s3://bucket/prefix`, "
        "`gs://`, `az://`, `file:///folder`; none allows none",
    )
    audio_store_seconds: float = Field(
        20,
        ge=0.1,
        le=600,
        alias="AUDIOSEARCH_AUDIO_STORE_SECONDS",
        description="longest wait for an answer of the object store, in seconds",
    )
    mysql_host: str | None = Field(
        None, alias="MYSQL_HOST", description="MySQL server; none means SQLite in the data folder"
    )
    mysql_port: int = Field(3306, ge=1, le=65535, alias="MYSQL_PORT", description="its port")
    mysql_user: str = Field("root", alias="MYSQL_USER", description="its user")
    mysql_pwd: SecretStr | None = Field(None, alias="MYSQL_PWD", description="the user's password")
    mysql_db: str = Field(
        "audiosearch",
        alias="MYSQL_DB",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$",
        description="its database; created if it is missing and the user may",
    )
    max_audio_bytes: int = Field(
        MAX_AUDIO_BYTES,
        ge=1,
        alias="AUDIOSEARCH_MAX_AUDIO_BYTES",
        description="largest recording that is accepted, in bytes",
    )
    pool_size: int = Field(
        8,
        ge=1,
        le=256,
        alias="AUDIOSEARCH_CATALOG_POOL_SIZE",
        description="connections to the database: half for reads, half for writes",
    )
    queue: int = Field(
        100,
        ge=1,
        le=10_000,
        alias="AUDIOSEARCH_CATALOG_QUEUE",
        description="reads, and as many writes, that may wait for a connection; "
        "more are CATALOG_BUSY",
    )
    statement_seconds: float = Field(
        5,
        ge=0.1,
        le=600,
        alias="AUDIOSEARCH_CATALOG_STATEMENT_SECONDS",
        description="longest wait for the database, in seconds",
    )

    reserve_bytes: int = Field(
        RESERVE_BYTES,
        ge=0,
        le=2**40,
        alias="AUDIOSEARCH_RESERVE_BYTES",
        description="room that is kept for deletions on a full disk, at most an eighth of it; "
        "0 keeps none",
    )

    audio_look_seconds: float = Field(
        3600,
        ge=0.1,
        alias="AUDIOSEARCH_AUDIO_LOOK_SECONDS",
        description="time between two looks whether all audio is there with its size",
    )
    audio_hash_seconds: float = Field(
        24 * 3600,
        ge=0.1,
        alias="AUDIOSEARCH_AUDIO_HASH_SECONDS",
        description="shortest time between the begins of two comparisons of all audio with its "
        "hashes",
    )
    audio_hash_bytes: int = Field(
        8 * 2**20,
        ge=0,
        alias="AUDIOSEARCH_AUDIO_HASH_BYTES_PER_SECOND",
        description="audio that is read for that in a second, in bytes; 0 compares no hashes",
    )
    query_days: float = Field(
        30,
        ge=0,
        le=3650,
        alias="AUDIOSEARCH_QUERY_DAYS",
        description="days that a sound is kept that somebody shares a search with",
    )
    start_empty: bool = Field(
        default=False,
        alias="AUDIOSEARCH_START_EMPTY",
        description="start without any library beside audio of libraries, as after the loss of "
        "the catalog",
    )

    @field_validator("reference_urls")
    @classmethod
    def _references_are_places(cls, value: str) -> str:
        for place in split(value):
            if place.root == FOLDERS and not Path("/", place.path).is_dir():
                raise ValueError(f"{place.uri!r} is no folder")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.audio_url and self.upload_path:
            raise ValueError(
                "AUDIOSEARCH_AUDIO_URL and UPLOAD_PATH name two places for the audio: set one"
            )
        return self

    @property
    def database_folder(self) -> Path:
        """Folder of the SQLite file."""
        return self.data_dir / "catalog"

    @property
    def audio_folder(self) -> Path:
        """Folder of the audio."""
        if self.audio_url and self.audio_url.startswith("file:"):
            return Path(unquote(urlsplit(self.audio_url).path))
        return self.upload_path or self.data_dir / "audio"

    @property
    def object_store_url(self) -> str:
        """The object store of the audio; empty for a folder."""
        url = self.audio_url or ""
        return "" if url.startswith("file:") else url
