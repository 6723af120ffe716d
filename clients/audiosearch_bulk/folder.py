"""The folder of a bulk import: the plan, its shards, their vectors, and marks of what is loaded.

- `plan.json`, written last. A folder without one has a plan that was cut off.
- `shards/N.parquet`: the files of shard number N.
- `vectors/MODEL/N.parquet`: the same files with their vectors.
- `loaded/UID/MODEL/N`: a mark that they are clips of the library with this uid.

Each file is written whole or not at all, and one that is there is done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url

FORMAT = 1
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclasses.dataclass(frozen=True)
class Plan:
    """A list of files that was cut into shards."""

    id: str
    """Hash of all that the list says."""
    root: str
    """Folder, or URL of a prefix, that the paths start from; see `root_of`. The path of an object
    that a manifest names is its whole URL."""
    channel: int
    """Channel that is heard, counted from 1; 0 for all, mixed to one."""
    file_count: int
    size_bytes: int
    shard_count: int
    audio: bool = True
    """False for an export without audio, which can't be loaded."""
    display_name: str = ""
    """Display name of a library that is made for it; empty for its own."""


class Folder:
    """A folder of a bulk import."""

    def __init__(self, path: Path) -> None:
        """Takes the path, where nothing needs to be yet."""
        self.path = path.absolute()

    def plan(self) -> Plan:
        """The plan; PATH_NOT_FOUND if there is none, SHARD_DAMAGED if it can't be read."""
        path = self.path / "plan.json"
        try:
            told = json.loads(path.read_bytes())
            made = told.pop("format")
            if made == FORMAT:
                return Plan(**told)
        except FileNotFoundError:
            raise ServiceError(
                Reason.PATH_NOT_FOUND,
                f"{self.path} has no plan, or one that was cut off: make it with `audiosearch bulk "
                "plan`",
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, "make the plan again in another folder") from error
        raise ServiceError(
            Reason.FIELD_INVALID, f"{path} is of format {made}, and this version knows {FORMAT}"
        )

    def root_of(self, plan: Plan) -> Path | str:
        """The root of a plan. A folder that is not absolute is in the folder of the plan."""
        return plan.root if is_url(plan.root) else self.path / plan.root

    def write_plan(self, plan: Plan) -> None:
        """Writes the plan, once all shards are there."""
        told = {"format": FORMAT, **dataclasses.asdict(plan)}
        with written_whole(self.path / "plan.json") as file:
            file.write((json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode())

    def shard(self, number: int) -> Path:
        """The files of a shard."""
        return self.path / "shards" / f"{number:06d}.parquet"

    def vectors(self, model: str, number: int) -> Path:
        """The vectors of a shard by a model, `models/{model}`."""
        return self.path / "vectors" / _short(model) / f"{number:06d}.parquet"

    def mark(self, library_uid: str, model: str, number: int) -> Path:
        """The mark of a shard that is loaded into a library."""
        return self.path / "loaded" / library_uid / _short(model) / f"{number:06d}"

    def lock(self, library_uid: str) -> Path:
        """A file that is there once a load into the library with this uid has begun."""
        return self.path / "loaded" / library_uid / ".lock"

    def models(self) -> list[str]:
        """The models that vectors are there of."""
        with contextlib.suppress(OSError):
            return sorted(f"models/{each.name}" for each in (self.path / "vectors").iterdir())
        return []


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name once it is on the disk. An error before leaves what was there.

    Raises:
        ServiceError: STORAGE_FULL.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ServiceError(
            Reason.STORAGE_FULL, f"no room for {path}: make some, and call the same command again"
        ) from error


def write_table(path: Path, table: pa.Table) -> None:
    """Writes a table whole, with checksums."""
    with written_whole(path) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)


def open_table(path: Path, advice: str) -> pq.ParquetFile:
    """Opens a table to read; PATH_NOT_FOUND, or SHARD_DAMAGED with what to do."""
    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise ServiceError(Reason.PATH_NOT_FOUND, f"{path} is gone; {advice}") from None
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, advice) from error


def read_batches(
    path: Path, rows: int, advice: str, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a table, some at a time, or some columns of them; errors as `open_table`."""
    with open_table(path, advice) as file:
        batches = file.iter_batches(rows, columns=columns)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, pa.ArrowException) as error:
                raise _damaged(path, advice) from error
            if batch is None:
                return
            yield batch


def in_order(count: int, there: Callable[[int], bool]) -> list[int]:
    """The numbers below a count of which nothing is there."""
    return [number for number in range(count) if not there(number)]


def _short(model: str) -> str:
    return model.removeprefix("models/")


def _damaged(path: Path, advice: str) -> ServiceError:
    return ServiceError(
        Reason.SHARD_DAMAGED, f"{path} is cut off or damaged; {advice}", {"path": str(path)}
    )
