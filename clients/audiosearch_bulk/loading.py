"""Loads shards with vectors into a library: the life of an upload, with vectors that are there."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, CreateClipRequest
from audiosearch.embedding.v1.embedding_pb2 import WindowRule

from audiosearch_bulk.clips import ClipMaker, cut
from audiosearch_bulk.files import File, Vectors, rule_of, vectors_of
from audiosearch_bulk.folder import Folder, open_table, read_batches, written_whole
from audiosearch_bulk.objects import OF_NO_OBJECT
from audiosearch_bulk.recordings import Recording
from audiosearch_bulk.target import Target
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url

AT_ONCE = 64
"""Files that are on their way into the library at a time, each by itself."""
BATCH_PLACES = AT_ONCE // 2
"""Places that a batch of short files takes of these, so that there are two at a time."""
SHOWN = 20
"""Failures that are told by name."""
_OF_NO_FILE = {
    *(Reason.STORAGE_FULL, Reason.LIBRARY_NOT_FOUND, Reason.SHARD_DAMAGED),
    *OF_NO_OBJECT,
}
"""Reasons that would fail every other file too."""
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
            new: True if it takes no library but one that is made for this folder, and which shows
                its clips all at once.
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
            library = await self._target.open(upstream, rule)
            clips = ClipMaker(upstream, library)
            with self._target.alone(library):
                for number in there:
                    mark = self._folder.mark(library.uid, self.loaded.model, number)
                    if mark.exists():
                        self.loaded.before += int(mark.read_bytes())
                        self._show(self.loaded.done, self.loaded.total)
                    else:
                        await self._load(clips, rule, number, mark)
            await clips.settle()
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

    async def _load(self, clips: ClipMaker, rule: WindowRule, number: int, mark: Path) -> None:
        """Loads a shard, and marks it unless some of its files are left to do."""
        loaded = self.loaded
        done, failed = loaded.done, loaded.failed
        batches = cut(self._recordings(number, rule))
        left: deque[Recording] = deque()
        window: deque[tuple[int, asyncio.Task[list[Recording]]]] = deque()
        try:
            while True:
                some = [left.popleft()] if left else await asyncio.to_thread(next, batches, [])
                if some:
                    places = BATCH_PLACES if len(some) > 1 else 1
                    window.append((places, asyncio.create_task(self._make(clips, some))))
                elif not window:
                    break
                while window and (not some or sum(each for each, _ in window) >= AT_ONCE):
                    left.extend(await window.popleft()[1])
        finally:
            for _, task in window:
                task.cancel()
            await asyncio.gather(*(task for _, task in window), return_exceptions=True)
        self._show(loaded.done, loaded.total)
        if loaded.failed == failed:
            with written_whole(mark) as marked:
                marked.write(b"%d\n" % (loaded.done - done))

    def _recordings(self, number: int, rule: WindowRule) -> Iterator[Recording]:
        """The files of a shard that have vectors. The others are counted."""
        path, root = self._vectors(number), self._folder.root_of(self._plan)
        with open_table(path, self._advice) as table:
            told = table.schema_arrow.metadata or {}
        if told.get(b"plan") != self._plan.id.encode():
            raise ServiceError(
                Reason.SHARD_DAMAGED, f"{path} is of another plan; {self._advice}", {}
            )
        rows = itertools.chain.from_iterable(
            vectors_of(batch) for batch in read_batches(path, AT_ONCE, self._advice)
        )
        for position, (file, vectors) in enumerate(rows):
            if vectors is None:
                self.loaded.unfit += 1
                continue
            request = self._request(number, position, file, vectors)
            yield Recording(root, file, vectors, self.loaded.model, rule, request)

    def _request(
        self, number: int, position: int, file: File, vectors: Vectors
    ) -> CreateClipRequest:
        """The request for the clip of a row. By its id the catalog knows the row again."""
        row = f"{self._plan.id}/{number}/{position}"
        return CreateClipRequest(
            clip=Clip(
                display_name=file.display_name,
                label=file.label,
                speaker=file.speaker,
                metadata=file.metadata,
                source=file.source or file.path,
                channel=file.channel or self._plan.channel,
            ),
            request_id=hashlib.sha256(row.encode()).hexdigest(),
            audio_object=AudioObject(sha256=vectors.sha256, size_bytes=file.size_bytes),
        )

    async def _make(self, clips: ClipMaker, recordings: list[Recording]) -> list[Recording]:
        """Makes clips of recordings, and counts them. Returns those that are left to do alone."""
        if len(recordings) == 1:
            await self._make_one(clips, recordings[0])
            return []
        left = await clips.make_new(recordings)
        self.loaded.created += len(recordings) - len(left)
        self._show(self.loaded.done, self.loaded.total)
        return left

    async def _make_one(self, clips: ClipMaker, recording: Recording) -> None:
        """Makes a clip. A failure that would be that of all others is raised."""
        try:
            if await clips.make(recording):
                self.loaded.created += 1
            else:
                self.loaded.existing += 1
        except ServiceError as error:
            if error.reason.temporary or error.reason in _OF_NO_FILE:
                raise
            self.loaded.failed += 1
            if len(self.loaded.failures) < SHOWN:
                self.loaded.failures.append(recording.file.failed(error))
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
