"""Exports a library as a folder of a bulk import: its clips with their vectors, and their audio.

The vectors are those that the catalog keeps, so nothing is embedded, there or where it is loaded.
"""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip, ListClipsRequest
from audiosearch.catalog.v1.kept_vectors_pb2 import KeptVectors
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest, Library

from audiosearch_bulk.files import File, Vectors, vector_table
from audiosearch_bulk.folder import Folder, Plan, write_table, written_whole
from gateway.clips.audio import stored
from gateway.clips.keeping import Keeping, vectors_of
from gateway.libraries import indexes
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import split_clip

AUDIO = "audio"
"""Folder of the audio, below that of the export."""
SHARD_CLIPS = 1000
SHARD_BYTES = 64 * 2**20
"""Vectors of a shard, unless one clip has more."""
_PAGE = 1000
_AT_ONCE = 16
"""Clips whose vectors are in memory beside those of the shard, and whose audio comes at a time."""
_NS_PER_MS = 1_000_000
_GONE = {Reason.CLIP_NOT_FOUND, Reason.AUDIO_NOT_FOUND}
_UNREADABLE = {Reason.AUDIO_DAMAGED, Reason.AUDIO_CHANGED, Reason.AUDIO_MISSING}
Row = tuple[File, Vectors | None]


@dataclasses.dataclass
class Exported:
    """The counts of an export."""

    library: str
    model: str
    clips: int = 0
    size_bytes: int = 0
    """Bytes of their audio, whether it was exported or not."""
    shards: int = 0
    unfit: int = 0
    """Clips without kept vectors, or with audio that is damaged or missing: each has its reason."""


class Exporter:
    """Exports one library while it is in use. Clips that are deleted meanwhile are left out."""

    def __init__(
        self,
        settings: GatewaySettings,
        library: str,
        show: Callable[[int, int], None],
        *,
        audio: bool,
    ) -> None:
        """Prepares an export.

        Args:
            settings: the addresses of the services.
            library: its short name.
            show: called with the number of clips done, and of all.
            audio: False for clips and vectors alone.
        """
        self._settings = settings
        self._name = f"libraries/{library}"
        self._show = show
        self._audio = audio
        self._id = uuid.uuid4().hex

    def run(self, folder: Path) -> Exported:
        """Makes the folder, which gets its name at the end; an error leaves nothing.

        Raises:
            ServiceError: STATE_CONFLICT if the folder is there, or the library has no windows or
                no audio; STORAGE_FULL; and of the catalog.
        """
        if folder.exists():
            raise ServiceError(
                Reason.STATE_CONFLICT, f"{folder} is there already; name a folder that is not"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.part-"))
        try:
            done = asyncio.run(self._fill(part))
            part.chmod(0o755)
            part.rename(folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return done

    async def _fill(self, part: Path) -> Exported:
        upstream = Upstream(self._settings)
        try:
            return await self._write(upstream, part)
        finally:
            await upstream.close()

    async def _write(self, upstream: Upstream, part: Path) -> Exported:
        library = await upstream.libraries.GetLibrary(GetLibraryRequest(name=self._name))
        _check(library)
        done = Exported(self._name, library.model)
        folder, rows, size = Folder(part), list[Row](), 0

        def write() -> None:
            table = vector_table(rows, self._id, library.model, library.window_rule)
            write_table(folder.vectors(library.model, done.shards), table)
            done.shards += 1

        async for file, vectors in self._rows(upstream, library, part / AUDIO):
            more = vectors.windows.nbytes if vectors else 0
            if rows and (len(rows) == SHARD_CLIPS or size + more > SHARD_BYTES):
                await asyncio.to_thread(write)
                rows, size = [], 0
            rows.append((file, vectors))
            size += more
            done.clips += 1
            done.size_bytes += file.size_bytes
            done.unfit += vectors is None
            self._show(done.clips, max(done.clips, library.clip_count))
        if rows or not done.shards:
            await asyncio.to_thread(write)
        folder.write_plan(
            Plan(
                id=self._id,
                root=AUDIO,
                channel=0,
                file_count=done.clips,
                size_bytes=done.size_bytes,
                shard_count=done.shards,
                audio=self._audio,
                display_name=library.display_name,
            )
        )
        return done

    async def _rows(self, upstream: Upstream, library: Library, audio: Path) -> AsyncIterator[Row]:
        """The clips of a library with their vectors. Their audio is written meanwhile."""
        request = ListClipsRequest(parent=self._name, page_size=_PAGE)
        while True:
            page = await upstream.clips.ListClips(request)
            for start in range(0, len(page.clips), _AT_ONCE):
                some = page.clips[start : start + _AT_ONCE]
                vectors = await _vectors(upstream, library, some)
                files = await asyncio.gather(*(self._file(upstream, each, audio) for each in some))
                for clip, file in zip(some, files, strict=True):
                    if file is not None:
                        yield _row(file, clip, vectors.get(split_clip(clip.name)[1]))
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def _file(self, upstream: Upstream, clip: Clip, audio: Path) -> File | None:
        """The file of a clip, with its audio if that is wanted; None if the clip is gone."""
        clip_id = split_clip(clip.name)[1]
        ending = Path(clip.display_name).suffix.lower()
        if not ending[1:].isalnum() or not ending.isascii():
            ending = ""
        file = File(
            path=f"{clip_id[-2:]}/{clip_id}{ending}",
            display_name=clip.display_name,
            label=clip.label,
            speaker=clip.speaker,
            metadata=dict(clip.metadata),
            size_bytes=clip.audio_object.size_bytes,
            clip=clip_id,
            source=clip.source,
            channel=clip.channel,
            enrolled_speaker=clip.enrolled_speaker.rpartition("/")[2],
        )
        if not self._audio:
            return file
        try:
            with written_whole(audio / file.path) as written:
                async for chunk in stored(upstream, clip.name):
                    await asyncio.to_thread(written.write, chunk)
        except ServiceError as error:
            if error.reason in _GONE:
                return None
            if error.reason not in _UNREADABLE:
                raise
            return file.failed(error)
        return file


def _check(library: Library) -> None:
    if library.dimension or not library.HasField("window_rule"):
        why = "was made before there were windows: give it some with `audiosearch library migrate`"
        if library.dimension:
            why = "is one for vectors: export the vectors from the place that they were made in"
        raise ServiceError(Reason.STATE_CONFLICT, f"{library.name} {why}")


async def _vectors(
    upstream: Upstream, library: Library, clips: Sequence[Clip]
) -> dict[str, list[KeptVectors]]:
    """The parts of the kept vectors of clips, by their ids."""
    found: dict[str, list[KeptVectors]] = {}
    ids = [split_clip(clip.name)[1] for clip in clips]
    async for clip_id, part in Keeping(upstream).read(library, indexes.present(library), ids):
        found.setdefault(clip_id, []).append(part)
    return found


def _row(file: File, clip: Clip, parts: Sequence[KeptVectors] | None) -> Row:
    """A clip with its vectors. One of a single window has the vector of the whole for it."""
    if file.reason:
        return file, None
    pairs = [pair for part in parts or () for pair in vectors_of(part)]
    wholes = [values for start, values in pairs if start is None]
    if not wholes:
        error = ServiceError(
            Reason.STATE_CONFLICT,
            "its vectors are not kept: the next sweep of a gateway keeps them, then export again",
        )
        return file.failed(error), None
    numbered = [(start, values) for start, values in pairs if start is not None]
    kept = numbered or [(0, wholes[-1])]
    return file, Vectors(
        sha256=clip.audio_object.sha256,
        starts_ns=np.asarray([start for start, _ in kept], np.int64) * _NS_PER_MS,
        windows=np.asarray([values for _, values in kept], np.float32),
        whole=wholes[-1],
        window_count=max(2, len(numbered)) if numbered else 1,
        audio=clip.audio,
        tags=clip.tags,
    )
