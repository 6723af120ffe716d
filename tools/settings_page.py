"""Writes the tables of docs/settings.md from the settings classes: `python -m tools.settings_page`.

A setting that all services share is listed once, with the services whose default differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from catalog_service.settings import CatalogSettings
from embedding_service.settings import EmbeddingSettings
from gateway.settings import GatewaySettings
from index_service.settings import IndexSettings
from serving.settings import ServerSettings
from tools import generated

PAGE = generated.DOCS / "settings.md"
SERVICES: dict[str, type[ServerSettings]] = {
    "gateway": GatewaySettings,
    "embedding": EmbeddingSettings,
    "index": IndexSettings,
    "catalog": CatalogSettings,
}


def variable(name: str, field: FieldInfo) -> str:
    """Returns the environment variable of a setting."""
    return field.alias or name.upper()


def default(field: FieldInfo) -> str:
    """Returns the default of a setting, as text for the environment."""
    value: Any = field.get_default()
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value >= 2**20 and value % 2**20 == 0:
        return f"`{value}` ({value // 2**20} MiB)"
    return f"`{value}`"


def shared() -> Iterator[list[str]]:
    """Yields the settings of every service. Defaults that differ follow the common one."""
    for name, field in ServerSettings.model_fields.items():
        if name == "port":
            continue
        usual = default(field)
        others = {
            service: default(kind.model_fields[name])
            for service, kind in SERVICES.items()
            if default(kind.model_fields[name]) != usual
        }
        own = "".join(f"; {service} {value}" for service, value in others.items())
        yield [f"`{variable(name, field)}`", usual + own, _meaning(field)]


def of(kind: type[ServerSettings]) -> Iterator[list[str]]:
    """Yields the settings that a service adds."""
    for name, field in kind.model_fields.items():
        if name == "port" or name not in ServerSettings.model_fields:
            yield [f"`{variable(name, field)}`", default(field), _meaning(field)]


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _table(rows: Iterator[list[str]]) -> str:
    lines = [["variable", "default", "meaning"], ["---"] * 3, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section() -> str:
    """Returns all tables."""
    parts = ["## Every service", _table(shared())]
    for service, kind in SERVICES.items():
        parts += [f"## {service.capitalize()}", _table(of(kind))]
    return "\n\n".join(parts)


def main(page: Path = PAGE) -> None:
    """Writes the tables."""
    generated.write(page, section())


if __name__ == "__main__":
    main()
