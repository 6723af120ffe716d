"""Keeps filled libraries on disk between runs. Each step measures on a copy, so they stay clean.

When Milvus 2.3.5 starts, it reads again from its log what users' calls wrote, and searches that
without an index for long. Rows of bulk insert are not in the log, so libraries are filled by it.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from alembic.script import ScriptDirectory
from audiosearch.index.v1.index_pb2 import Attributes

from catalog_service.database.migrate import MIGRATIONS
from index_service import mirror
from index_service.plan import HNSW
from index_service.settings import IndexSettings
from tools.benchmarks.clustered import clustered
from tools.benchmarks.experiment import demo
from tools.benchmarks.experiment.encoder import Official
from tools.benchmarks.experiment.filled import Filled
from tools.benchmarks.experiment.settings import Settings
from tools.benchmarks.experiment.stack import CHECKPOINT, Stack, running, running_servers
from tools.benchmarks.index_recall import say
from tools.servers.milvus_server import VERSION

FORMAT = 2
"""Of what this package fills a store with; to be raised when that changes."""

NOTE, IDS = "note.json", "ids.txt"


class Store:
    """The filled libraries of a folder, one for each kind of stores and each size."""

    def __init__(self, folder: Path, settings: Settings, official: Official | None) -> None:
        """Takes the folder, which one run uses at a time, and the encoder; None is the bundled."""
        self._folder = folder.resolve()
        self._settings = settings
        self._official = official
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        self._open = ExitStack()
        self._quick: Stack | None = None

    def _locked(self) -> IO[str]:
        lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(
                f"another run uses {self._folder}: wait, or name another --store"
            ) from None
        return lock

    def close(self) -> None:
        """Ends the stack of a quick run, and lets other runs use the folder."""
        with self._lock:
            self._open.close()

    @contextmanager
    def empty(self) -> Iterator[Stack]:
        """Runs a stack without any library for the time of the block; a quick run has one."""
        if self._settings.quick:
            self._quick = self._quick or self._open.enter_context(self._started())
            yield self._quick
        else:
            with self._started() as stack:
                yield stack

    @contextmanager
    def _started(self) -> Iterator[Stack]:
        with tempfile.TemporaryDirectory(dir=self._folder) as work:
            self._put_checkpoint(Path(work))
            with running(self._settings.stores, Path(work)) as stack:
                yield stack

    @contextmanager
    def filled(self, rows: int, *, with_demo: bool = False) -> Iterator[Filled]:
        """Runs a stack with a full library for the time of the block.

        Args:
            rows: Clips in the library.
            with_demo: True for the earlier demo's collection and table in the same servers.

        Raises:
            LeftOutError: The servers can't be started, or are not done in time.
        """
        if self._settings.quick:  # which keeps nothing
            with self.empty() as stack:
                if with_demo and stack.servers:
                    demo.fill(stack.servers, clustered(rows, seed=0), self._settings)
                filled = Filled.made(stack, rows)
                yield filled
                filled.delete()
            return
        kept = Kept(self._folder / f"{self._settings.stores}-{rows}", self._made_with(rows))
        kept.fill("library", lambda folder: self._fill(folder, rows))
        if with_demo:
            kept.fill("demo", lambda folder: self._fill_demo(folder, rows))
        with kept.copied() as work, running(self._settings.stores, work) as stack:
            yield Filled.found(stack, rows, (work / IDS).read_text().split())

    def _made_with(self, rows: int) -> dict[str, Any]:
        """The versions and sizes that a store depends on."""
        return {
            "format": FORMAT,
            "rows": rows,
            "milvus": VERSION,
            "catalog": ScriptDirectory(str(MIGRATIONS)).get_current_head(),
            "index": list(mirror.columns("", Attributes(), lite=False)),
        }

    def _fill(self, folder: Path, rows: int) -> None:
        self._put_checkpoint(folder)
        # Of this type from the start: a change of the type would go through Milvus' log.
        large = rows > IndexSettings.model_fields["flat_rows"].default
        servers = self._settings.stores == "servers"
        also = {"AUDIOSEARCH_INDEX_TYPE": HNSW} if large and servers else {}
        with running(self._settings.stores, folder, also) as stack:
            (folder / IDS).write_text("\n".join(Filled.made(stack, rows).ids))

    def _fill_demo(self, folder: Path, rows: int) -> None:
        with running_servers(folder) as servers:
            demo.fill(servers, clustered(rows, seed=0), self._settings)

    def _put_checkpoint(self, folder: Path) -> None:
        if self._official:
            shutil.copytree(self._official.made(), folder / CHECKPOINT)


class Kept:
    """A folder of files that is filled in parts, and kept whole."""

    def __init__(self, folder: Path, made_with: dict[str, Any]) -> None:
        """Takes the folder, and what must be equal for a later run to take up its files."""
        self._whole, self._work = folder / "whole", folder / "work"
        self._made_with = made_with
        if self._parts() is None:
            say(f"{folder} is of another version and is filled anew")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)

    def _parts(self) -> list[str] | None:
        """The parts that are filled; None if the files are of another version."""
        try:
            note = json.loads((self._whole / NOTE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return list(note["parts"]) if note["made_with"] == self._made_with else None

    def fill(self, part: str, fill: Callable[[Path], None]) -> None:
        """Adds a part, unless it is there. `fill` takes the folder with those before."""
        parts = self._parts() or []
        if part in parts:
            say(f"{self._whole}: the {part} is there")
            return
        with self.copied() as work:
            fill(work)
            note = {"made_with": self._made_with, "parts": [*parts, part]}
            (work / NOTE).write_text(json.dumps(note, indent=1), encoding="utf-8")
            shutil.rmtree(self._whole, ignore_errors=True)
            work.rename(self._whole)

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """Copies the files for the time of the block, always to the same folder."""
        shutil.rmtree(self._work, ignore_errors=True)  # of a run that was killed
        try:
            if self._whole.exists():
                shutil.copytree(self._whole, self._work, symlinks=True)
            else:
                self._work.mkdir(parents=True)
            yield self._work
        finally:
            shutil.rmtree(self._work, ignore_errors=True)
