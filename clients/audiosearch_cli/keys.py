"""`audiosearch key ...`: the file of API keys on the gateway's machine."""

from __future__ import annotations

import json as json_text
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from audiosearch_cli.output import Json, print_table, say
from gateway.access import api_key, key_file
from gateway.access.api_key import ApiKey
from gateway.access.rights import Right

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list and revoke API keys, in the file that the gateway reads.",
)
File = Annotated[
    Path,
    typer.Option(
        "--file",
        envvar="AUDIOSEARCH_KEYRING",
        dir_okay=False,
        help="File of the keys; the gateway sees a change within a second or two.",
    ),
]
Libraries = Annotated[list[str] | None, typer.Option(help="Library, or * for every one.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Purpose or owner of the key.")],
    file: File,
    read: Libraries = None,
    write: Libraries = None,
    manage: Libraries = None,
    json: Json = False,
) -> None:
    """Create a key and print it. It can't be shown again.

    --read lets it search, list, download, identify and verify voices; --write also upload, import,
    change and delete clips, enroll and delete speakers; --manage also create, calibrate and delete
    the library. Each can be repeated.
    """
    named = {Right.read: read, Right.write: write, Right.manage: manage}
    grants = {library: right for right in Right for library in named[right] or ()}
    if not grants:
        raise typer.BadParameter("name a library with --read, --write or --manage")
    try:
        key, token = api_key.make(name, grants)
    except ValidationError as error:
        problem = error.errors()[0]
        field = "NAME" if "name" in problem["loc"] else "a library, or too many of them"
        raise typer.BadParameter(f"{field}: {problem['msg']}") from None
    key_file.change(file, lambda keys: keys.update({key.id: key}))
    if json:
        return _print_json({**_shown(key), "key": token})
    sys.stderr.write(f"key {key.id} of {key.name}: {_rights(key)}; this is shown once:\n")
    return say(token)


@app.command("list")
def list_keys(file: File, json: Json = False) -> None:
    """List the names and rights of the keys. The keys themselves are not stored."""
    keys = sorted(key_file.read(file).values(), key=lambda key: key.created)
    if json:
        return _print_json([_shown(key) for key in keys])
    rows = [(key.id, key.name, _rights(key), f"{key.created:%Y-%m-%d %H:%M}") for key in keys]
    return print_table(("key", "name", "rights", "created"), rows)


@app.command()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="KEY", help="Id, as `key list` shows it.")],
    file: File,
    json: Json = False,
) -> None:
    """Revoke a key."""
    gone: list[ApiKey] = []

    def remove(keys: dict[str, ApiKey]) -> None:
        if identity not in keys:
            raise typer.BadParameter(f"{file} has no key {identity}", param_hint="KEY")
        gone.append(keys.pop(identity))

    key_file.change(file, remove)
    if json:
        return _print_json(_shown(gone[0]))
    return say(f"key {identity} of {gone[0].name} is revoked")


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "grants": {library: right.value for library, right in key.grants.items()},
        "created": key.created.isoformat(),
    }


def _rights(key: ApiKey) -> str:
    return ", ".join(f"{right.value} {library}" for library, right in key.grants.items())


def _print_json(value: object) -> None:
    sys.stdout.write(json_text.dumps(value) + "\n")
