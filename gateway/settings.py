"""The settings of the gateway."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from gateway.access import key_file
from serving.audio_size import MAX_AUDIO_BYTES
from serving.caller import Proxies
from serving.names import CHOSEN_ID
from serving.settings import ServerSettings
from serving.tls.files import Tls

DELETION_SECONDS = 60.0
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")
_URL = re.compile(_ORIGIN.pattern + r"(/[A-Za-z0-9._~/-]*)?", re.IGNORECASE)


def origins(value: str) -> list[str]:
    """The parts of a list separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()]


class GatewaySettings(ServerSettings):
    """The gateway: what users call; it orchestrates the embedding, index and catalog services."""

    port: int = Field(
        50050,
        ge=0,
        le=65535,
        alias="AUDIOSEARCH_GATEWAY_PORT",
        description="port to listen on; 0 takes a free one",
    )
    rest_port: int | None = Field(
        8002,
        ge=0,
        le=65535,
        alias="AUDIOSEARCH_REST_PORT",
        description="port of REST and the web client; 0 takes a free one, `none` turns both off",
    )
    cors_origins: str = Field(
        "",
        alias="AUDIOSEARCH_CORS_ORIGINS",
        description="origins of other sites that may call by REST, such as https://example.org, "
        "separated by commas",
    )
    public_url: str = Field(
        "",
        alias="AUDIOSEARCH_PUBLIC_URL",
        description="address under which users reach REST, such as https://sounds.example.org, for "
        "links in the answers of the earlier demo's routes; none means the address that a "
        "request came in at",
    )
    default_table: str = Field(
        "audio_table",
        pattern=f"^{CHOSEN_ID}$",
        alias="DEFAULT_TABLE",
        description="library of the earlier demo's routes when they name no table",
    )
    embedding_target: str = Field(
        "127.0.0.1:50051",
        alias="AUDIOSEARCH_EMBEDDING_TARGET",
        description="address of the embedding service",
    )
    index_target: str = Field(
        "127.0.0.1:50052",
        alias="AUDIOSEARCH_INDEX_TARGET",
        description="address of the index service",
    )
    catalog_target: str = Field(
        "127.0.0.1:50053",
        alias="AUDIOSEARCH_CATALOG_TARGET",
        description="address of the catalog service",
    )
    keyring: Path | None = Field(
        None,
        alias="AUDIOSEARCH_KEYRING",
        description="file of the API keys, made by `audiosearch key create`; without it the "
        "gateway checks no keys and must stay on loopback",
    )
    allow_anonymous: bool = Field(
        default=False,
        alias="AUDIOSEARCH_ALLOW_ANONYMOUS",
        description="take calls without a key also from other machines: only behind a proxy that "
        "checks who calls",
    )
    trusted_proxies: str = Field(
        "",
        alias="AUDIOSEARCH_TRUSTED_PROXIES",
        description="addresses or networks of proxies, separated by commas, that are believed "
        "about the address of a caller (`x-forwarded-for`), such as Envoy's; none means that "
        "the address of the connection counts",
    )
    import_roots: str = Field(
        "",
        alias="AUDIOSEARCH_IMPORT_ROOTS",
        description=f"folders below which ImportClips may read, separated by '{os.pathsep}'",
    )
    link_seconds: int = Field(
        0,
        ge=0,
        le=7 * 24 * 3600,
        alias="AUDIOSEARCH_LINK_SECONDS",
        description="time that a link to audio in an object store holds, for callers that ask for "
        "one; 0 gives none and sends all audio through the gateway",
    )
    max_audio_bytes: int = Field(
        MAX_AUDIO_BYTES,
        ge=1,
        alias="AUDIOSEARCH_MAX_AUDIO_BYTES",
        description="most bytes of one recording by REST: what says that it is larger is refused "
        "before it is sent; the same as that of the catalog and the embedding service",
    )
    import_concurrency: int = Field(
        16,
        ge=1,
        le=64,
        alias="AUDIOSEARCH_IMPORT_CONCURRENCY",
        description="files of one import worked on at a time",
    )
    import_jobs: int = Field(
        2,
        ge=1,
        le=16,
        alias="AUDIOSEARCH_IMPORT_JOBS",
        description="imports that this gateway works on at a time",
    )
    top_k: int = Field(
        10, ge=1, le=1000, alias="TOP_K", description="matches of a search without k"
    )
    speaker_threshold: float = Field(
        0.5,
        ge=-1,
        le=1,
        alias="AUDIOSEARCH_SPEAKER_THRESHOLD",
        description="lowest cosine at which a voice counts as a speaker's, in libraries without a "
        "calibration",
    )
    upstream_seconds: float = Field(
        60,
        gt=0,
        alias="AUDIOSEARCH_UPSTREAM_SECONDS",
        description="longest a call to another service may take",
    )
    silence_seconds: float = Field(
        9,
        gt=0,
        alias="AUDIOSEARCH_SILENCE_SECONDS",
        description="silence of another service, which answers neither health checks nor calls, "
        "after which it counts as hung: calls to it fail at once until it answers",
    )
    stall_seconds: float = Field(
        120,
        gt=0,
        alias="AUDIOSEARCH_STALL_SECONDS",
        description="longest that another service may move nothing on a stream that waits for it",
    )
    reconcile_seconds: float = Field(
        30,
        gt=0,
        alias="AUDIOSEARCH_RECONCILE_SECONDS",
        description="time between two looks for unfinished clips",
    )
    sweep_seconds: float = Field(
        3600,
        ge=0,
        alias="AUDIOSEARCH_SWEEP_SECONDS",
        description="time between two comparisons of all vectors with all clips; 0 makes none, for "
        "a gateway beside others that do",
    )
    compare_seconds: float = Field(
        30,
        ge=1,
        le=3600,
        alias="AUDIOSEARCH_COMPARE_SECONDS",
        description="time between two comparisons of the numbers of vectors and windows of a "
        "library; vectors that are missing are written again at once",
    )
    trash_days: float = Field(
        7,
        ge=0,
        le=3650,
        alias="AUDIOSEARCH_TRASH_DAYS",
        description="days in which a deleted clip can be restored; 0 deletes at once for good, "
        "and empties the trash",
    )
    stale_seconds: float = Field(
        4500,
        gt=0,
        alias="AUDIOSEARCH_STALE_SECONDS",
        description="age at which an unfinished clip is finished or undone; above the longest call",
    )

    @model_validator(mode="after")
    def _someone_checks(self) -> Self:
        if self.keyring and self.allow_anonymous:
            raise ValueError(
                "AUDIOSEARCH_KEYRING and AUDIOSEARCH_ALLOW_ANONYMOUS exclude each other: set one"
            )
        if not (self.on_loopback or self.keyring or self.allow_anonymous):
            raise ValueError(
                f"AUDIOSEARCH_KEYRING: on {self.host}, which other machines can reach, the gateway "
                "needs a file of API keys: make one with `audiosearch key create`; or set "
                "AUDIOSEARCH_ALLOW_ANONYMOUS=true if a proxy in front of it checks who calls"
            )
        return self

    @field_validator("rest_port", mode="before")
    @classmethod
    def _rest_can_be_off(cls, value: object) -> object:
        return None if str(value).lower() == "none" else value

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_origins(cls, value: str) -> str:
        for origin in origins(value):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin: write scheme, host and, if needed, port, such as "
                    "https://example.org"
                )
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_one(cls, value: str) -> str:
        if value and not _URL.fullmatch(value):
            raise ValueError("write scheme and host, such as https://sounds.example.org")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, value: str) -> str:
        Proxies(value)
        return value

    @field_validator("keyring")
    @classmethod
    def _keyring_is_readable(cls, value: Path | None) -> Path | None:
        if value:
            key_file.read(value)
        return value

    @field_validator("import_roots")
    @classmethod
    def _roots_are_folders(cls, value: str) -> str:
        for root in filter(None, value.split(os.pathsep)):
            if not Path(root).is_absolute() or not Path(root).is_dir():
                raise ValueError(f"{root!r} is not the absolute path of a folder")
        return value

    @property
    def server_tls(self) -> Tls:
        """The TLS files without an authority: callers have keys, not certificates."""
        return replace(self.tls, ca=None)

    @property
    def exposure(self) -> str:
        """A warning for the operator if others can reach the gateway; empty if there is none."""
        if self.on_loopback or (self.tls_cert and self.keyring):
            return ""
        if self.allow_anonymous:
            return f"anyone who can reach {self.host} can read, change and delete everything"
        return (
            f"keys and audio travel to {self.host} unencrypted: let only a proxy that speaks TLS "
            "reach it, or set AUDIOSEARCH_TLS_CERT and AUDIOSEARCH_TLS_KEY"
        )

    @property
    def trusts_this_machine(self) -> bool:
        """True if callers on this machine may do everything, and no others reach the gateway."""
        return self.on_loopback and not (self.keyring or self.allow_anonymous)

    @property
    def deletion_seconds(self) -> float:
        """Age from which on a deletion counts as abandoned."""
        return min(DELETION_SECONDS, self.stale_seconds)

    @property
    def trash_seconds(self) -> float:
        """Age at which a clip in the trash is deleted for good."""
        return self.trash_days * 24 * 3600

    def roots(self) -> tuple[Path, ...]:
        """The folders of `import_roots`, with links resolved."""
        return tuple(Path(root).resolve() for root in self.import_roots.split(os.pathsep) if root)
