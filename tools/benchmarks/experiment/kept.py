"""Keeps a filled store between runs: each measures on a copy of it, which is thrown away.

Filling takes longer than measuring. Nothing that is measured touches what is kept, so a second run
meets what the first one met.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.benchmarks.experiment.settings import Settings
from tools.benchmarks.index_recall import say

FORMAT = 1
_NOTE = "kept.json"
_IDS = "ids.txt"


class KeptStore:
    """The folder of the stores of one choice of settings: `kept`, and `work` while a run lasts.

    Milvus writes the path of its folder into its own files, so it always runs in `work`.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Takes the folder for all stores."""
        name = f"{settings.stores}-{settings.rows}{'-quick' if settings.quick else ''}"
        self.folder = folder.resolve() / name
        self.work = self.folder / "work"
        self._kept = self.folder / "kept"
        self._same = {"format": FORMAT, "work": str(self.work), "settings": settings.to_json()}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other runs from this store, and removes what a run leaves in `work`.

        Raises:
            SystemExit: Another run uses it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SystemExit(f"another benchmark runs in {self.folder}: wait for it") from None
            try:
                self.clear()
                yield
            finally:
                self.clear()

    def clear(self) -> None:
        """Makes `work` empty."""
        shutil.rmtree(self.work, ignore_errors=True)

    @property
    def is_there(self) -> bool:
        """True if a store of these settings is kept here."""
        note = self._note()
        return all(note.get(key) == value for key, value in self._same.items())

    @property
    def growth(self) -> dict[str, Any]:
        """The steps of growth, which are measured while the store is filled."""
        return dict(self._note().get("growth", {}))

    @property
    def ids(self) -> list[str]:
        """Ids of the clips, in the order of their vectors."""
        return (self._kept / _IDS).read_text(encoding="ascii").split()

    def keep(self, ids: Sequence[str], growth: Mapping[str, Any]) -> None:
        """Keeps what is in `work`, which nothing may use any more, and nothing else."""
        shutil.rmtree(self._kept, ignore_errors=True)
        (self.work / _IDS).write_text("\n".join(ids), encoding="ascii")
        self.work.rename(self._kept)
        note = {**self._same, "growth": growth}
        (self._kept / _NOTE).write_text(json.dumps(note, indent=1), encoding="utf-8")
        say(f"{self._kept}: kept for later runs; remove it to fill it again")

    def take(self) -> None:
        """Copies what is kept to `work`."""
        say(f"{self._kept}: was filled before, and is copied")
        shutil.copytree(self._kept, self.work, symlinks=True)

    def _note(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self._kept / _NOTE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}
