"""Rows of shards: the files of a plan, and the same files with their vectors."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties, Embedding, Tag, WindowRule
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbeddedWindow,
    EmbedWindowsResponse,
    EmbedWindowsSummary,
)
from google.protobuf.json_format import MessageToJson, Parse
from numpy.typing import NDArray

from audiosearch_bulk.objects import chunks
from serving.audio_files import unreadable
from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url

if TYPE_CHECKING:
    from obstore import ObjectMeta

CHUNK_BYTES = 256 * 1024
_NOT_CHANGED = "make a new plan, or bring the file back"


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a plan."""

    path: str
    """Relative to the root, parts joined by `/`."""
    display_name: str = ""
    label: str = ""
    speaker: str = ""
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    size_bytes: int = 0
    mtime_ns: int = 0
    reason: str = ""
    """Reason of a failure; empty for a file that is fit so far."""
    message: str = ""
    clip: str = ""
    """Id of the clip that was exported; empty for a file that is none yet."""
    source: str = ""
    """Source of that clip; for others it is the path."""
    channel: int = 0
    """Channel that is heard; 0 for that of the plan."""
    enrolled_speaker: str = ""
    """Id of the speaker whose enrollment that clip was."""
    etag: str = ""
    """Tag that an object store gives the bytes; empty for a file."""

    def failed(self, error: ServiceError) -> File:
        """The same file with a failure."""
        return dataclasses.replace(self, reason=error.reason.value, message=error.message)


@dataclasses.dataclass(frozen=True)
class Vectors:
    """The vectors of a file.

    Attributes:
        sha256: Hash of the file, hexadecimal.
        starts_ns: Start of each window that has a vector, shape (n,).
        windows: Their vectors, float32, shape (n, dimension).
        whole: The vector of the whole recording, float32, shape (dimension,).
        window_count: Number of its windows, also of silent ones.
        audio: Properties of its audio.
        tags: Kinds of sound heard in it.
    """

    sha256: str
    starts_ns: NDArray[np.int64]
    windows: NDArray[np.float32]
    whole: NDArray[np.float32]
    window_count: int
    audio: AudioProperties
    tags: Sequence[Tag]

    @classmethod
    def of(cls, sha256: str, answers: Sequence[EmbedWindowsResponse]) -> Vectors:
        """The vectors in the answers of EmbedWindows."""
        kept = [each.window for each in answers if each.window.HasField("embedding")]
        (summary,) = [each.summary for each in answers if each.HasField("summary")]
        whole = np.asarray(summary.embedding.values, np.float32)
        starts = [each.start_offset.ToNanoseconds() for each in kept]
        windows = [each.embedding.values for each in kept]
        return cls(
            sha256,
            np.asarray(starts, np.int64),
            np.asarray(windows, np.float32).reshape(len(kept), len(whole)),
            whole,
            summary.window_count,
            summary.audio,
            summary.tags,
        )

    def answers(self, model: str) -> Iterator[EmbedWindowsResponse]:
        """The answers of EmbedWindows for these vectors, but the summary comes first."""
        yield EmbedWindowsResponse(
            summary=EmbedWindowsSummary(
                embedding=Embedding(values=self.whole.tolist(), model=model),
                audio=self.audio,
                window_count=self.window_count,
                tags=self.tags,
            )
        )
        for start, values in zip(self.starts_ns.tolist(), self.windows.tolist(), strict=True):
            window = EmbeddedWindow(embedding=Embedding(values=values, model=model))
            window.start_offset.FromNanoseconds(start)
            yield EmbedWindowsResponse(window=window)


_FLOATS = pa.list_(pa.float32())
_OF_FILE = pa.schema(
    [
        pa.field("path", pa.string()),
        pa.field("display_name", pa.string()),
        pa.field("label", pa.string()),
        pa.field("speaker", pa.string()),
        pa.field("metadata", pa.map_(pa.string(), pa.string())),
        pa.field("size_bytes", pa.int64()),
        pa.field("mtime_ns", pa.int64()),
        pa.field("reason", pa.string()),
        pa.field("message", pa.string()),
        pa.field("etag", pa.string()),
    ]
)
_OF_EXPORT = pa.schema(
    [
        pa.field("clip", pa.string()),
        pa.field("source", pa.string()),
        pa.field("channel", pa.int32()),
        pa.field("enrolled_speaker", pa.string()),
    ]
)
_OF_VECTORS = pa.schema(
    [
        pa.field("sha256", pa.string()),
        pa.field("starts_ns", pa.list_(pa.int64())),
        pa.field("windows", _FLOATS),
        pa.field("whole", _FLOATS),
        pa.field("window_count", pa.int32()),
        pa.field("audio", pa.string()),
        pa.field("tags", pa.list_(pa.struct([("name", pa.string()), ("score", pa.float32())]))),
    ]
)
FILE_COLUMNS: list[str] = _OF_FILE.names
_EMPTY: dict[str, Any] = {
    "sha256": "",
    "starts_ns": [],
    "windows": [],
    "whole": [],
    "window_count": 0,
    "audio": "",
    "tags": [],
}


def file_table(files: Sequence[File]) -> pa.Table:
    """The table of a shard of a plan."""
    return pa.Table.from_pylist([_row(file) for file in files], _OF_FILE)


def vector_table(
    rows: Sequence[tuple[File, Vectors | None]], plan: str, model: str, rule: WindowRule
) -> pa.Table:
    """The table of a shard with vectors; a file without has a failure."""
    told = {"plan": plan, "model": model, "window_rule": MessageToJson(rule, indent=None)}
    schema = pa.schema([*_OF_FILE, *_OF_EXPORT, *_OF_VECTORS], told)
    return pa.Table.from_pylist(
        [{**_row(file), **(_EMPTY if found is None else _columns(found))} for file, found in rows],
        schema,
    )


def rule_of(schema: pa.Schema) -> WindowRule:
    """The window rule by which the vectors of a shard were made."""
    rule = WindowRule()
    Parse(schema.metadata[b"window_rule"], rule)
    return rule


def files_of(batch: pa.RecordBatch) -> Iterator[File]:
    """The files of some rows."""
    known = [*_OF_FILE.names, *_OF_EXPORT.names]
    for row in batch.select([name for name in known if name in batch.schema.names]).to_pylist():
        yield File(**{**row, "metadata": dict(row["metadata"])})


def vectors_of(batch: pa.RecordBatch) -> Iterator[tuple[File, Vectors | None]]:
    """The files of some rows with their vectors; None for a file that failed."""
    for number, file in enumerate(files_of(batch)):
        if file.reason:
            yield file, None
            continue
        row = {name: batch.column(name)[number] for name in _OF_VECTORS.names}
        starts = row["starts_ns"].values.to_numpy()
        whole = row["whole"].values.to_numpy()
        yield (
            file,
            Vectors(
                row["sha256"].as_py(),
                starts,
                row["windows"].values.to_numpy().reshape(len(starts), len(whole)),
                whole,
                row["window_count"].as_py(),
                Parse(row["audio"].as_py(), AudioProperties()),
                [Tag(**tag) for tag in row["tags"].as_py()],
            ),
        )


def _row(file: File) -> dict[str, Any]:
    return {**vars(file), "metadata": list(file.metadata.items())}


def _columns(found: Vectors) -> dict[str, Any]:
    return {
        "sha256": found.sha256,
        "starts_ns": found.starts_ns,
        "windows": found.windows.ravel(),
        "whole": found.whole,
        "window_count": found.window_count,
        "audio": MessageToJson(found.audio, indent=None),
        "tags": [{"name": tag.name, "score": tag.score} for tag in found.tags],
    }


def time_of(meta: ObjectMeta) -> int:
    """The time of the last change of an object, as `mtime_ns`: in whole seconds, as all tell it."""
    return int(meta["last_modified"].timestamp()) * 1_000_000_000


class Reading:
    """One reading of a file of a plan, which must not have changed since.

    Iterate over it for its bytes. Then `sha256` is known.
    """

    def __init__(self, root: Path | str, file: File, sha256: str = "") -> None:
        """Takes the root, the file, and the hash that its bytes must have if it is known.

        The root is a folder, or the URL of a prefix of a bucket.
        """
        self._root = root
        self._file = file
        self._wanted = sha256
        self.sha256 = ""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yields its bytes in chunks, the last one once all are known to be right.

        Raises:
            ServiceError: FILE_CHANGED; PATH_NOT_FOUND if it can't be read; and of an object store.
        """
        digest, size, held = hashlib.sha256(), 0, b""
        async with contextlib.aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                if size > self._file.size_bytes:
                    raise self._changed()
                if held:
                    yield held
                held = chunk
        self.sha256 = digest.hexdigest()
        if size != self._file.size_bytes or self.sha256 != (self._wanted or self.sha256):
            raise self._changed()
        if held:
            yield held

    def _chunks(self) -> AsyncGenerator[bytes, None]:
        root, path = self._root, self._file.path
        if is_url(path):
            return chunks(path, CHUNK_BYTES, self._check)
        if isinstance(root, str):
            return chunks(f"{root}/{path}", CHUNK_BYTES, self._check, root)
        return self._of_file(root / path)

    def _check(self, meta: ObjectMeta) -> None:
        """Raises FILE_CHANGED for an object of another size, or of other bytes than planned."""
        file = self._file
        same = meta["e_tag"] == file.etag if file.etag else time_of(meta) == file.mtime_ns
        if meta["size"] != file.size_bytes or not (same or self._wanted):
            raise self._changed()

    async def _of_file(self, path: Path) -> AsyncGenerator[bytes, None]:
        try:
            file, chunk = await asyncio.to_thread(self._open, path)
            try:
                while chunk:
                    yield chunk
                    short = len(chunk) < CHUNK_BYTES  # the end of the file
                    chunk = b"" if short else await asyncio.to_thread(file.read, CHUNK_BYTES)
            finally:
                file.close()
        except OSError as error:
            raise unreadable("file", error) from error

    def _open(self, path: Path) -> tuple[IO[bytes], bytes]:
        """Opens the file, and reads its begin: a short file takes one turn in a thread."""
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ServiceError(Reason.AUDIO_UNDECODABLE, "not a regular file")
        if not self._wanted and found.st_mtime_ns != self._file.mtime_ns:
            raise self._changed()
        file = path.open("rb")
        try:
            return file, file.read(CHUNK_BYTES)
        except BaseException:
            file.close()
            raise

    def _changed(self) -> ServiceError:
        since = "its vectors were made" if self._wanted else "the plan"
        return ServiceError(
            Reason.FILE_CHANGED,
            f"the file has changed since {since}; {_NOT_CHANGED}",
            {"path": self._file.path},
        )
