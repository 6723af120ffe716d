"""The file of API keys: a line of JSON for each, with its hash. It is replaced as a whole."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from gateway.access.api_key import ApiKey

MAX_BYTES = 8 * 2**20
Keys = Mapping[str, ApiKey]


class KeyFileError(ValueError):
    """An unusable file; the message names it and the reason."""


def read(path: Path) -> Keys:
    """The keys of a file by id, at most 8 MiB; KeyFileError if it is missing or damaged."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"can't read {path}: {error.strerror}") from None
    if len(text) > MAX_BYTES:
        raise KeyFileError(f"{path} is larger than {MAX_BYTES // 2**20} MiB")
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            key = _parse(line, f"{path}, line {number}")
            keys[key.id] = key
    return keys


def _parse(line: bytes, where: str) -> ApiKey:
    try:
        return ApiKey.model_validate_json(line)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"]) or "the line"
        raise KeyFileError(f"{where}: {field}: {problem['msg']}") from None


def change(path: Path, edit: Callable[[dict[str, ApiKey]], None]) -> None:
    """Lets `edit` change the keys of a file. A missing file is created with mode 0600.

    Concurrent changes wait for each other, and a reader sees the file before or after a change.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.parent):
        keys = dict(read(path)) if path.exists() else {}
        edit(keys)
        _write(path, keys.values())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        import fcntl  # noqa: PLC0415  the command line runs on Windows too, which has none
    except ImportError:
        raise KeyFileError("keys are changed on the gateway's machine, by Linux or macOS") from None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, keys: Iterable[ApiKey]) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(key.model_dump_json(exclude_none=True) + "\n" for key in keys)
            if os.geteuid() == 0 and path.exists():  # the gateway must still read root's change
                os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
