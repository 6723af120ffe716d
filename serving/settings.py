"""Typed settings from the environment. A bad variable ends the start with its name."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from pathlib import Path
from typing import Literal, TypeVar, get_args

import structlog
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from typing_extensions import Self

from serving.telemetry import configure
from serving.tls.files import CA, CERT, KEY, Tls

LOG_FORMAT = "AUDIOSEARCH_LOG_FORMAT"
SettingsT = TypeVar("SettingsT", bound=BaseSettings)
log = structlog.get_logger()


class ServerSettings(BaseSettings):
    """The settings of every service. Each service adds its own and its `port`."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    host: str = Field("127.0.0.1", alias="AUDIOSEARCH_HOST", description="address to listen on")
    port: int = Field(0, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="AUDIOSEARCH_LOG_LEVEL", description="debug, info, warning or error"
    )
    log_format: Literal["json", "console"] = Field(
        "json", alias="AUDIOSEARCH_LOG_FORMAT", description="json, or console for people"
    )
    max_message_bytes: int = Field(
        4 * 2**20,
        ge=2**16,
        le=64 * 2**20,
        alias="AUDIOSEARCH_MAX_MESSAGE_BYTES",
        description="largest gRPC message taken",
    )
    max_call_seconds: float = Field(
        3600,
        gt=0,
        alias="AUDIOSEARCH_MAX_CALL_SECONDS",
        description="longest a call may take, whatever its deadline",
    )
    max_concurrent_calls: int = Field(
        256,
        ge=1,
        alias="AUDIOSEARCH_MAX_CONCURRENT_CALLS",
        description="calls at a time, of which one caller gets three quarters at most; more are "
        "refused",
    )
    max_connections: int = Field(
        2048,
        ge=1,
        alias="AUDIOSEARCH_MAX_CONNECTIONS",
        description="connections at a time, by gRPC and as many by REST, where one address gets "
        "three quarters at most; more are closed",
    )
    max_buffered_bytes: int = Field(
        128 * 2**20,
        ge=2**20,
        alias="AUDIOSEARCH_MAX_BUFFERED_BYTES",
        description="bytes of gRPC messages received at a time, of which one caller gets three "
        "quarters at most; more wait",
    )
    idle_seconds: float = Field(
        60,
        gt=0,
        alias="AUDIOSEARCH_IDLE_SECONDS",
        description="longest that a call waits for its next message, or for its answer to be read",
    )
    drain_seconds: float = Field(
        3,
        ge=0,
        alias="AUDIOSEARCH_DRAIN_SECONDS",
        description="wait after turning NOT_SERVING, before closing",
    )
    grace_seconds: float = Field(
        20,
        ge=0,
        alias="AUDIOSEARCH_GRACE_SECONDS",
        description="time for running calls to end at shutdown",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        alias="AUDIOSEARCH_METRICS_PORT",
        description="port for Prometheus, which gets `/metrics` there; 0 takes a free one, none "
        "means no metrics",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        alias="AUDIOSEARCH_METRICS_HOST",
        description="address to listen on for Prometheus, without TLS or keys",
    )
    otlp_endpoint: str | None = Field(
        None,
        alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="address of an OpenTelemetry collector that gets traces by OTLP over gRPC, "
        "such as `http://127.0.0.1:4317`; none means no traces",
    )
    tls_cert: Path | None = Field(
        None,
        alias="AUDIOSEARCH_TLS_CERT",
        description="certificate of this service, in PEM; none means no TLS",
    )
    tls_key: Path | None = Field(
        None, alias="AUDIOSEARCH_TLS_KEY", description="its private key, in PEM"
    )
    tls_ca: Path | None = Field(
        None,
        alias="AUDIOSEARCH_TLS_CA",
        description="CA certificates, in PEM, that the other services' certificates come from",
    )

    @model_validator(mode="after")
    def _tls_files(self) -> Self:
        self.tls.check()
        if self.server_tls.ca and not self.server_tls.cert:
            raise ValueError(f"{CA} goes with {CERT} and {KEY}: set these too")
        return self

    @property
    def tls(self) -> Tls:
        """The files of TLS."""
        return Tls(self.tls_cert, self.tls_key, self.tls_ca)

    @property
    def server_tls(self) -> Tls:
        """The TLS files of the server side."""
        return self.tls

    @property
    def on_loopback(self) -> bool:
        """True if only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def exposure(self) -> str:
        """A warning for the operator if others can reach the service; empty if there is none."""
        if self.on_loopback or (self.tls_cert and self.tls_ca):
            return ""
        return (
            f"anyone who can reach {self.host} can use this service: let only the other services "
            f"reach it, or set {CERT}, {KEY} and {CA}"
        )


def _variable(name: str, field: FieldInfo) -> str:
    return field.alias or name.upper()


def describe(kind: type[BaseSettings]) -> str:
    """One line for each setting: variable, default, meaning."""
    rows = [
        (_variable(name, field), field.get_default(), field.description or "")
        for name, field in kind.model_fields.items()
    ]
    width = max(len(variable) for variable, _, _ in rows)
    return "\n".join(
        f"  {variable:{width}}  {meaning} (default: {'none' if default in (None, '') else default})"
        for variable, default, meaning in rows
    )


def load(kind: type[SettingsT], program: str) -> SettingsT:
    """Reads the settings of a service and answers --help.

    It exits with code 2 and names each bad variable if a value can't be used.
    """
    argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=kind.__doc__,
        epilog="Settings are environment variables:\n" + describe(kind),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    if os.environ.get(LOG_FORMAT) == "json":
        configure(program)  # also what is printed before the settings are known is JSON then
    try:
        return kind()
    except ValidationError as error:
        as_json = os.environ.get(LOG_FORMAT) == "json"
        for problem in error.errors():
            if as_json:
                log.error("settings.refused", why=_complaint(kind, problem))  # noqa: TRY400
            else:
                sys.stderr.write(f"{program}: {_complaint(kind, problem)}\n")
        raise SystemExit(2) from None


def _complaint(kind: type[BaseSettings], problem: ErrorDetails) -> str:
    """The variable, the problem and, unless it is a secret, the value."""
    own = problem.get("ctx", {}).get("error")
    where = str(problem["loc"][0]) if problem["loc"] else ""
    for name, field in kind.model_fields.items():
        if where in (name, field.alias):
            secret = SecretStr in (field.annotation, *get_args(field.annotation))
            value = "" if own or secret else f", not {problem['input']!r}"
            return f"{_variable(name, field)}: {own or problem['msg']}{value}"
    return str(own or problem["msg"])
