"""Which database it is, as it says itself."""

from __future__ import annotations

from sqlalchemy import Connection, text


def product(connection: Connection) -> str:
    """Product and version, such as `sqlite 3.40.1`, `mysql 8.4.3` or `mariadb 10.11.6`."""
    if connection.dialect.name == "sqlite":
        return f"sqlite {connection.scalar(text('SELECT sqlite_version()'))}"
    said = str(connection.scalar(text("SELECT VERSION()")))  # 8.4.3, 10.11.6-MariaDB-0+deb12u1
    kind = "mariadb" if "mariadb" in said.lower() else "mysql"
    return f"{kind} {said.partition('-')[0]}"
