"""`audiosearch key ...`: the file of API keys on the gateway's machine."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer
from audiosearch.catalog.v1.clip_pb2 import CountOwnedRequest, CountOwnedResponse

from audiosearch_cli.backups.catalog import DEFAULT_ADDRESS, Address, Catalog
from audiosearch_cli.output import Json, print_table, say, size
from audiosearch_cli.problems import CommandError
from serving import limits
from serving.errors import ServiceError

if TYPE_CHECKING:
    from gateway.access.api_key import ApiKey

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
_ASK_SECONDS = 5.0
_ASKED = limits.of(CountOwnedRequest, "owners").max_items
Usage = CountOwnedResponse.Usage
Libraries = Annotated[list[str] | None, typer.Option(help="Library, or * for every one.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Purpose or owner of the key.")],
    file: File,
    read: Libraries = None,
    write: Libraries = None,
    manage: Libraries = None,
    rate: Annotated[
        int | None,
        typer.Option(min=1, help="Calls a minute that each gateway takes from it; else any."),
    ] = None,
    max_clips: Annotated[
        int | None,
        typer.Option(min=1, help="Clips that it may have in all libraries together; else any."),
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option(min=1, help="Bytes of audio that it may have so; else any.")
    ] = None,
    json: Json = False,
) -> None:
    """Create a key and print it. It can't be shown again.

    --read lets it search, list, download, identify and verify voices; --write also upload, import,
    change and delete clips, enroll and delete speakers; --manage also create, calibrate and delete
    the library. Each can be repeated. A new key of the name of an earlier one has its clips.
    """
    from pydantic import ValidationError  # noqa: PLC0415  every other command starts without it

    from gateway.access import api_key  # noqa: PLC0415  the same
    from gateway.access.rights import Right  # noqa: PLC0415  the same

    named = {Right.read: read, Right.write: write, Right.manage: manage}
    grants = {library: right for right in Right for library in named[right] or ()}
    if not grants:
        raise typer.BadParameter("name a library with --read, --write or --manage")
    try:
        key, token = api_key.make(name, grants, rate, max_clips, max_bytes)
    except ValidationError as error:
        problem = error.errors()[0]
        names = {
            "name": "NAME",
            "calls_per_minute": "--rate",
            "max_clips": "--max-clips",
            "max_bytes": "--max-bytes",
        }
        field = names.get(str(problem["loc"][0]), "a library, or too many of them")
        raise typer.BadParameter(f"{field}: {problem['msg']}") from None
    _change(file, lambda keys: keys.update({key.id: key}))
    if json:
        return _print_json({**_shown(key), "key": token})
    sys.stderr.write(f"key {key.id} of {key.name}: {_rights(key)}; this is shown once:\n")
    return say(token)


@app.command("list")
def list_keys(file: File, catalog: Address = DEFAULT_ADDRESS, json: Json = False) -> None:
    """List the keys with their rights and limits, and the clips that each has.

    The keys themselves are not stored. Clips are told where the catalog service answers.
    """
    with _key_file() as key_file:
        keys = sorted(key_file.read(file).values(), key=lambda key: key.created)
    used = _used(catalog, keys)
    if json:
        return _print_json([{**_shown(key), **_of(key, used)} for key in keys])
    rows = [
        (key.id, key.name, _rights(key), f"{key.created:%Y-%m-%d %H:%M}", *_told(key, used))
        for key in keys
    ]
    return print_table(("key", "name", "rights", "created", "clips", "audio"), rows)


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
            raise typer.BadParameter(
                f"{file} has no key {identity}; `audiosearch key list` shows their ids",
                param_hint="KEY",
            )
        gone.append(keys.pop(identity))

    _change(file, remove)
    if json:
        return _print_json(_shown(gone[0]))
    return say(f"key {identity} of {gone[0].name} is revoked")


@contextmanager
def _key_file() -> Iterator[ModuleType]:
    """The module that reads and changes the file; its errors are those of a command."""
    from gateway.access import key_file  # noqa: PLC0415  every other command starts without it

    try:
        yield key_file
    except key_file.KeyFileError as error:
        raise CommandError(str(error)) from None


def _used(address: str, keys: list[ApiKey]) -> Mapping[str, Usage]:
    """The clips of the owners of the keys; none where no catalog service answers."""
    owners = sorted({key.quota().owner for key in keys})
    used: dict[str, Usage] = {}
    try:
        with Catalog(address) as catalog:
            for start in range(0, len(owners), _ASKED):
                request = CountOwnedRequest(owners=owners[start : start + _ASKED])
                used |= catalog.call(catalog.clips.CountOwned, request, _ASK_SECONDS).usages
    except ServiceError as error:
        sys.stderr.write(f"the clips of the keys are not known: {error.message}\n")
    return used


def _of(key: ApiKey, used: Mapping[str, Usage]) -> dict[str, int | None]:
    its = used.get(key.quota().owner)
    return {
        "clip_count": its.clip_count if its else None,
        "size_bytes": its.size_bytes if its else None,
    }


def _told(key: ApiKey, used: Mapping[str, Usage]) -> tuple[str, str]:
    its = used.get(key.quota().owner)
    clips = f"{its.clip_count:,}" if its else "-"
    audio = size(its.size_bytes) if its else "-"
    return (
        f"{clips} of {key.max_clips:,}" if key.max_clips else clips,
        f"{audio} of {size(key.max_bytes)}" if key.max_bytes else audio,
    )


def _change(file: Path, edit: Callable[[dict[str, ApiKey]], object]) -> None:
    with _key_file() as key_file:
        key_file.change(file, edit)


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "grants": {library: right.value for library, right in key.grants.items()},
        "created": key.created.isoformat(),
        "calls_per_minute": key.calls_per_minute,
        "max_clips": key.max_clips,
        "max_bytes": key.max_bytes,
    }


def _rights(key: ApiKey) -> str:
    told = [f"{right.value} {library}" for library, right in key.grants.items()]
    if key.calls_per_minute is not None:
        told.append(f"{key.calls_per_minute} calls a minute")
    return ", ".join(told)


def _print_json(value: object) -> None:
    sys.stdout.write(json_text.dumps(value) + "\n")
