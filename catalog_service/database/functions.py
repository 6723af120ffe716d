"""Expressions on texts that mean the same on SQLite, MySQL and MariaDB.

MySQL and MariaDB compare texts as if blanks at their end were not there, each folds cases by tables
of its own, and SQLite folds those of ASCII alone. So texts are compared as bytes, and a server is
told the cases of each letter.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from sqlalchemy import ColumnElement, Double, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from serving.conditions import NUMBER, folded, number

_SERVERS = ("mysql", "mariadb")
CASED = 0x1F000
"""No character from here on has another case."""
_WHOLE_NUMBER = rf"\A(?:{NUMBER})\z"


class exact(FunctionElement[str]):  # noqa: N801  named as it is used, like a function
    """A text that is compared and grouped by its code points. A server answers its bytes."""

    type = String()
    inherit_cache = True


class entry(FunctionElement[str]):  # noqa: N801
    """The text of a key in a mapping; NULL if it is not there. Takes the column and a path."""

    type = String()
    inherit_cache = True


class odd_entry(entry):  # noqa: N801
    """`entry` for a key that SQLite finds only as it is written in JSON."""

    inherit_cache = True


class contains(FunctionElement[bool]):  # noqa: N801
    """True if a text holds another, in any case. Takes it, the other one folded, and a pattern."""

    inherit_cache = True


class numeric(FunctionElement[float]):  # noqa: N801
    """The number that a text is; NULL if it is none. Takes the text and the grammar of numbers."""

    type = Double()
    inherit_cache = True


def entry_of(column: ColumnElement[Any], key: str) -> ColumnElement[str]:
    """Returns the text of a key in a mapping; NULL if it is not there."""
    plain = key.isascii() and key.isprintable() and not set('"\\') & set(key)
    # MariaDB compares keys as they are written, and JSON is written in ASCII.
    return (entry if plain else odd_entry)(column, literal(f"$.{json.dumps(key)}"))


def contains_of(value: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Returns the expression that is true if a text holds another, in any case."""
    wanted = folded(part)
    return contains(value, literal(wanted), literal(_pattern(wanted))) > 0


def number_of(value: ColumnElement[str]) -> ColumnElement[float]:
    """Returns the number that a text is; NULL if it is none."""
    return numeric(value, literal(_WHOLE_NUMBER))


def add_functions(connection: sqlite3.Connection) -> None:
    """Adds to a connection of SQLite the functions that it lacks."""
    for name, places, function in (
        ("audiosearch_entry", 2, _entry),
        ("audiosearch_folded", 1, lambda text: None if text is None else folded(text)),
        ("audiosearch_number", 1, lambda text: None if text is None else number(text)),
    ):
        connection.create_function(name, places, function, deterministic=True)


def _entry(mapping: str, path: str) -> str | None:
    found: str | None = json.loads(mapping).get(json.loads(path.removeprefix("$.")))
    return found


@compiles(exact, "sqlite")
def _exact_sqlite(element: exact, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(entry, "sqlite")
def _entry_sqlite(element: entry, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_extract({compiler.process(element.clauses, **options)})"


@compiles(odd_entry, "sqlite")
def _odd_entry_sqlite(element: odd_entry, compiler: SQLCompiler, **options: Any) -> str:
    return f"audiosearch_entry({compiler.process(element.clauses, **options)})"


@compiles(contains, "sqlite")
def _contains_sqlite(element: contains, compiler: SQLCompiler, **options: Any) -> str:
    value, wanted, _ = (compiler.process(clause, **options) for clause in element.clauses)
    return f"instr(audiosearch_folded({value}), {wanted})"


@compiles(numeric, "sqlite")
def _numeric_sqlite(element: numeric, compiler: SQLCompiler, **options: Any) -> str:
    value, _ = element.clauses
    return f"audiosearch_number({compiler.process(value, **options)})"


@compiles(exact, *_SERVERS)
def _exact(element: exact, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS BINARY)"


@compiles(entry, *_SERVERS)
@compiles(odd_entry, *_SERVERS)
def _entry_server(element: entry, compiler: SQLCompiler, **options: Any) -> str:
    return f"JSON_UNQUOTE(JSON_EXTRACT({compiler.process(element.clauses, **options)}))"


@compiles(contains, *_SERVERS)
def _contains(element: contains, compiler: SQLCompiler, **options: Any) -> str:
    value, pattern = (compiler.process(clause, **options) for clause in list(element.clauses)[::2])
    return f"({value} REGEXP {pattern})"


@compiles(numeric, *_SERVERS)
def _numeric(element: numeric, compiler: SQLCompiler, **options: Any) -> str:
    value, grammar = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CASE WHEN {value} REGEXP {grammar} THEN {value} + 0e0 END"


def _pattern(wanted: str) -> str:
    """Returns a regular expression, of PCRE and of ICU, for a folded text in any case."""
    classes = ("".join(map(_quoted, _CASES.get(each, each))) for each in wanted)
    return "(?-i)" + "".join(f"[{each}]" for each in classes)


def _quoted(character: str) -> str:
    if not character.isascii():
        return f"\\x{{{ord(character):x}}}"
    return character if character.isalnum() else f"\\{character}"


def _cases() -> dict[str, str]:
    """Returns the characters that fold to each character, of those that others fold to."""
    found: dict[str, str] = {}
    for character in map(chr, range(CASED)):
        if (to := folded(character)) != character:
            found[to] = found.get(to, to) + character
    return found


_CASES = _cases()
