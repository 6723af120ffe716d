"""Settings of the index service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from serving.disk.room import RESERVE_BYTES
from serving.settings import ServerSettings


class IndexSettings(ServerSettings):
    """The index service: stores vectors in Milvus and finds the nearest ones."""

    port: int = Field(
        50052,
        ge=0,
        le=65535,
        alias="AUDIOSEARCH_INDEX_PORT",
        description="port to listen on; 0 takes a free one",
    )
    max_message_bytes: int = Field(
        16 * 2**20,
        ge=2**16,
        le=64 * 2**20,
        alias="AUDIOSEARCH_MAX_MESSAGE_BYTES",
        description="largest gRPC message that is accepted; 5,000 vectors are 4 MB",
    )
    data_dir: Path = Field(
        Path("data"),
        alias="AUDIOSEARCH_DATA_DIR",
        description="folder of all data; Milvus Lite has index/ there",
    )
    milvus_host: str | None = Field(
        None,
        alias="MILVUS_HOST",
        pattern=r"^[A-Za-z0-9._-]+$",
        description="Milvus server; none means Milvus Lite in the data folder",
    )
    milvus_port: int = Field(19530, ge=1, le=65535, alias="MILVUS_PORT", description="its port")
    milvus_user: str | None = Field(None, alias="MILVUS_USER", description="its user")
    milvus_password: SecretStr | None = Field(
        None, alias="MILVUS_PASSWORD", description="the user's password"
    )
    milvus_token: SecretStr | None = Field(
        None, alias="MILVUS_TOKEN", description="token, instead of user and password"
    )
    reserve_bytes: int = Field(
        RESERVE_BYTES,
        ge=0,
        le=2**40,
        alias="AUDIOSEARCH_RESERVE_BYTES",
        description="room that is kept for deletions from Milvus Lite on a full disk, at most an "
        "eighth of the disk; 0 keeps none",
    )
    vector_dimension: int = Field(
        192,
        ge=2,
        le=4096,
        alias="VECTOR_DIMENSION",
        description="length of the vectors of new indexes for which the caller names none",
    )
    metric_type: Literal["COSINE", "IP", "L2"] = Field(
        "COSINE",
        alias="METRIC_TYPE",
        description="COSINE, IP or L2, which rank unit vectors alike; answers are always cosine",
    )
    index_type: Literal["FLAT", "HNSW"] | None = Field(
        None,
        alias="AUDIOSEARCH_INDEX_TYPE",
        description="kind of all indexes, FLAT or HNSW; none means FLAT on Milvus Lite, and what "
        "fits the number of vectors on a server",
    )
    flat_rows: int = Field(
        20_000,
        ge=1,
        alias="AUDIOSEARCH_FLAT_ROWS",
        description="vectors up to which an index on a server is FLAT, and exact; then it is HNSW",
    )
    retune_seconds: float = Field(
        10,
        ge=0.1,
        le=3600,
        alias="AUDIOSEARCH_RETUNE_SECONDS",
        description="seconds between two checks of the type of the indexes that were written to",
    )
    store_seconds: float = Field(
        10,
        ge=0.1,
        le=600,
        alias="AUDIOSEARCH_STORE_TIMEOUT_SECONDS",
        description="longest wait for Milvus, in seconds",
    )
    store_threads: int = Field(
        16,
        ge=1,
        le=64,
        alias="AUDIOSEARCH_STORE_THREADS",
        description="most calls to Milvus at a time; further ones wait",
    )
    store_queue: int = Field(
        64,
        ge=0,
        le=10_000,
        alias="AUDIOSEARCH_STORE_QUEUE",
        description="most calls that wait for Milvus; further ones fail with INDEX_BUSY",
    )

    @field_validator("metric_type", "index_type", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _credentials(self) -> IndexSettings:
        if (self.milvus_user is None) != (self.milvus_password is None):
            raise ValueError("MILVUS_USER and MILVUS_PASSWORD go together: set both or neither")
        if self.milvus_token is not None and self.milvus_user is not None:
            raise ValueError("MILVUS_TOKEN takes the place of MILVUS_USER: set only one of them")
        return self

    @property
    def folder(self) -> Path:
        """Folder of Milvus Lite's files."""
        return self.data_dir / "index"

    @property
    def token(self) -> str:
        """Token for Milvus; empty when none is set."""
        if self.milvus_user is not None and self.milvus_password is not None:
            return f"{self.milvus_user}:{self.milvus_password.get_secret_value()}"
        return self.milvus_token.get_secret_value() if self.milvus_token else ""
