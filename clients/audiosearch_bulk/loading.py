"""Loads shards with vectors into a library: the life of an upload, with vectors that are there."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import WindowRule
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbedWindowsConfig,
    EmbedWindowsResponse,
)

from audiosearch_bulk.files import File, Reading, Vectors, rule_of, vectors_of
from audiosearch_bulk.folder import Folder, open_table, read_batches, written_whole
from audiosearch_bulk.objects import OF_NO_OBJECT
from audiosearch_bulk.target import Target
from gateway.clips.life import Clips
from gateway.clips.source import Arriving
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url
from serving.retry import Retry

AT_ONCE = 64
"""Files that are on their way into the library at a time."""
SHOWN = 20
"""Failures that are told by name."""
_OF_NO_FILE = {
    *(Reason.STORAGE_FULL, Reason.LIBRARY_NOT_FOUND, Reason.SHARD_DAMAGED),
    *OF_NO_OBJECT,
}
"""Reasons that would fail every other file too."""
CONFLICTS = 8
"""Tries of a file while another clip with its bytes is being made or removed."""
_EMBED_AGAIN = "delete it, and `audiosearch bulk embed` makes it again"

_COPY_AGAIN = "take another copy of the export"


@dataclass
class Loaded:
    """The counts of a load."""

    library: str
    model: str
    total: int
    """Files of the plan."""
    created: int = 0
    existing: int = 0
    """Files whose bytes the library had already."""
    before: int = 0
    """Files of shards that an earlier load has finished."""
    unfit: int = 0
    """Files without vectors, for the reasons that `bulk embed` told."""
    failed: int = 0
    missing_shards: int = 0
    """Shards without vectors so far."""
    hidden: bool = False
    """True if the library shows its clips once it has those of all shards."""
    failures: list[File] = field(default_factory=list)
    """The first files that failed here."""

    @property
    def done(self) -> int:
        """Files that are looked at."""
        return self.created + self.existing + self.before + self.unfit + self.failed


class _Recording(Reading):
    """The bytes of a file, with its vectors."""

    def __init__(
        self, root: Path | str, file: File, vectors: Vectors, model: str, rule: WindowRule
    ) -> None:
        super().__init__(root, file, vectors.sha256)
        self.vectors = vectors
        self.model = model
        self.rule = rule


class _Embedded(Arriving):
    """A recording on its way into the store, whose windows need no encoder."""

    async def windows(self, config: EmbedWindowsConfig) -> AsyncIterator[EmbedWindowsResponse]:
        """See Source. Another model, or another rule, is a matter of the embedding service."""
        coming = self._coming
        if (
            isinstance(coming, _Recording)
            and coming.model == config.audio.model
            and coming.rule == config.window_rule
        ):
            for answer in coming.vectors.answers(coming.model):
                yield answer
            return
        async for answer in super().windows(config):
            yield answer


class Loader:
    """Loads the vectors of one model into one library."""

    def __init__(
        self,
        folder: Folder,
        settings: GatewaySettings,
        library: str,
        model: str,
        show: Callable[[int, int], None],
        *,
        new: bool = False,
        at_once: bool = False,
    ) -> None:
        """Prepares a load.

        Args:
            folder: with vectors.
            settings: the addresses of the services.
            library: its short name. A missing one is made.
            model: whose vectors are loaded; may be empty if there are vectors of one alone.
            show: called with the number of files done, and of all.
            new: True if it takes no library but one that is made for this folder.
            at_once: True if the library, which must be missing, shows its clips all at once, when
                those of all shards are there. It stays so until it is loaded without.

        Raises:
            ServiceError: PATH_NOT_FOUND if there are no vectors; FIELD_INVALID if there are those
                of several models, and none is named, or no audio.
        """
        self._folder = folder
        self._settings = settings
        self._plan = folder.plan()
        if not self._plan.audio:
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"{folder.path} was exported without audio, for other programs: export it with "
                "--audio to load it",
            )
        own = not is_url(self._plan.root) and not Path(self._plan.root).is_absolute()
        self._advice = _COPY_AGAIN if own else _EMBED_AGAIN
        self._show = show
        name, model = f"libraries/{library}", _choose(folder, model)
        self._target = Target(folder, self._plan, name, model, new=new, at_once=at_once)
        self.loaded = Loaded(name, model, self._plan.file_count)

    async def run(self) -> Loaded:
        """Loads all shards that have vectors and are not loaded yet.

        Raises:
            ServiceError: MODEL_MISMATCH if the library has another model or window rule;
                STATE_CONFLICT while another load into it is at work here, or if its clips can't
                come all at once; SHARD_DAMAGED; and of the services, while which are away a file is
                tried again for some minutes.
        """
        there = [n for n in range(self._plan.shard_count) if self._vectors(n).exists()]
        self.loaded.missing_shards = self._plan.shard_count - len(there)
        rule = self._rule(there[0])
        upstream = Upstream(self._settings)
        try:
            clips = Clips(upstream, _Embedded)
            library = await self._target.open(upstream, rule)
            with self._target.alone(library):
                for number in there:
                    mark = self._folder.mark(library.uid, self.loaded.model, number)
                    if mark.exists():
                        self.loaded.before += int(mark.read_bytes())
                        self._show(self.loaded.done, self.loaded.total)
                    else:
                        await self._load(clips, library, rule, number, mark)
            await clips.cleanups.settle()
            whole = not self.loaded.missing_shards
            self.loaded.hidden = await self._target.end(upstream, library, whole=whole)
        finally:
            await upstream.close()
        return self.loaded

    def _vectors(self, number: int) -> Path:
        return self._folder.vectors(self.loaded.model, number)

    def _rule(self, number: int) -> WindowRule:
        with open_table(self._vectors(number), self._advice) as table:
            return rule_of(table.schema_arrow)

    async def _load(
        self, clips: Clips, library: Library, rule: WindowRule, number: int, mark: Path
    ) -> None:
        """Loads a shard, and marks it unless some of its files are left to do."""
        loaded, root = self.loaded, self._folder.root_of(self._plan)
        done, failed = loaded.done, loaded.failed
        window: deque[tuple[File, asyncio.Task[bool]]] = deque()
        rows = self._rows(number)
        try:
            for position in itertools.count():
                row = await asyncio.to_thread(next, rows, None)
                if row is None:
                    break
                file, vectors = row
                if vectors is None:
                    loaded.unfit += 1
                    continue
                recording = _Recording(root, file, vectors, loaded.model, rule)
                request_id = self._request_id(number, position)
                one = self._one(clips, library, file, recording, request_id)
                window.append((file, asyncio.create_task(one)))
                if len(window) == AT_ONCE:
                    await self._settle(*window.popleft())
            while window:
                await self._settle(*window.popleft())
        finally:
            for _, task in window:
                task.cancel()
            await asyncio.gather(*(task for _, task in window), return_exceptions=True)
        self._show(loaded.done, loaded.total)
        if loaded.failed == failed:
            with written_whole(mark) as marked:
                marked.write(b"%d\n" % (loaded.done - done))

    def _rows(self, number: int) -> Iterator[tuple[File, Vectors | None]]:
        path = self._vectors(number)
        with open_table(path, self._advice) as table:
            told = table.schema_arrow.metadata or {}
        if told.get(b"plan") != self._plan.id.encode():
            raise ServiceError(
                Reason.SHARD_DAMAGED, f"{path} is of another plan; {self._advice}", {}
            )
        for batch in read_batches(path, AT_ONCE, self._advice):
            yield from vectors_of(batch)

    def _request_id(self, number: int, position: int) -> str:
        """The id by which the catalog knows a row of the plan again."""
        return hashlib.sha256(f"{self._plan.id}/{number}/{position}".encode()).hexdigest()

    async def _one(
        self, clips: Clips, library: Library, file: File, recording: _Recording, request_id: str
    ) -> bool:
        """Makes a clip of a file. Returns False if the library has its bytes already."""
        clip = Clip(
            display_name=file.display_name,
            label=file.label,
            speaker=file.speaker,
            metadata=file.metadata,
            source=file.source or file.path,
            channel=file.channel or self._plan.channel,
        )
        known = AudioObject(sha256=recording.vectors.sha256, size_bytes=file.size_bytes)
        retry = Retry({Reason.STATE_CONFLICT}, CONFLICTS)
        while True:
            try:
                _, created = await clips.ingest(
                    library,
                    clip,
                    recording,
                    request_id,
                    known,
                    id_names_audio=True,
                    hurry=False,
                )
            except ServiceError as error:
                await asyncio.sleep(retry.pause(error))
            else:
                return created

    async def _settle(self, file: File, task: asyncio.Task[bool]) -> None:
        """Counts a file. A failure that would be that of all others is raised."""
        try:
            if await task:
                self.loaded.created += 1
            else:
                self.loaded.existing += 1
        except ServiceError as error:
            if error.reason.temporary or error.reason in _OF_NO_FILE:
                raise
            self.loaded.failed += 1
            if len(self.loaded.failures) < SHOWN:
                self.loaded.failures.append(file.failed(error))
        self._show(self.loaded.done, self.loaded.total)


def _choose(folder: Folder, model: str) -> str:
    """The one model of a folder, or the one that is named in full or by its begin."""
    found = folder.models()
    fit = [each for each in found if each.removeprefix("models/").startswith(model)]
    if not found:
        raise ServiceError(
            Reason.PATH_NOT_FOUND,
            f"{folder.path} has no vectors yet: make them with `audiosearch bulk embed`",
        )
    if len(fit) != 1:
        raise ServiceError(
            Reason.FIELD_INVALID, f"there are vectors of {', '.join(found)}; name one as --model"
        )
    return fit[0]


def settings_of(catalog: str, index: str, embedding: str) -> GatewaySettings:
    """The settings of the environment, as of a gateway that nobody calls."""
    given: dict[str, Any] = {"host": "127.0.0.1", "keyring": None, "allow_anonymous": False}
    given |= {"catalog_target": catalog, "index_target": index, "embedding_target": embedding}
    return GatewaySettings(**given)
