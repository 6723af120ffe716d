"""Typed settings from the environment, which fail at start with the name of the bad variable."""

from __future__ import annotations

import argparse
import sys
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class ServerSettings(BaseSettings):
    """What every service can be told; a service adds its own and its `port`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    host: str = Field("127.0.0.1", alias="AUDIOSEARCH_HOST", description="address to listen on")
    port: int = Field(0, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    log_level: str = Field(
        "info",
        alias="AUDIOSEARCH_LOG_LEVEL",
        pattern="^(debug|info|warning|error)$",
        description="debug, info, warning or error",
    )
    log_format: str = Field(
        "json",
        alias="AUDIOSEARCH_LOG_FORMAT",
        pattern="^(json|console)$",
        description="json, or console for people",
    )
    max_message_bytes: int = Field(
        4 * 2**20,
        ge=2**16,
        le=64 * 2**20,
        alias="AUDIOSEARCH_MAX_MESSAGE_BYTES",
        description="largest gRPC message taken",
    )
    max_call_seconds: float = Field(
        600,
        gt=0,
        alias="AUDIOSEARCH_MAX_CALL_SECONDS",
        description="longest a call may take, whatever its deadline",
    )
    max_concurrent_calls: int = Field(
        256,
        ge=1,
        alias="AUDIOSEARCH_MAX_CONCURRENT_CALLS",
        description="calls at a time; more are refused",
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

    Exits with code 2, naming each bad variable, when a value can't be used.
    """
    argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=kind.__doc__,
        epilog="Settings are environment variables:\n" + describe(kind),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        return kind()
    except ValidationError as error:
        names = {name: _variable(name, field) for name, field in kind.model_fields.items()}
        for problem in error.errors():
            where = str(problem["loc"][0]) if problem["loc"] else "settings"
            value = f", not {problem['input']!r}" if problem["loc"] else ""
            sys.stderr.write(f"{program}: {names.get(where, where)}: {problem['msg']}{value}\n")
        raise SystemExit(2) from None
