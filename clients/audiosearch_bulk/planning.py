"""Plans: the files of an import, listed and cut into shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator

from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.survey import without_audio

from audiosearch_bulk import listing
from audiosearch_bulk.files import File, file_table
from audiosearch_bulk.folder import Folder, Plan, write_table
from audiosearch_bulk.listing import Prefix
from serving.errors import Reason, ServiceError

SHARD_FILES = 1000
SHARD_BYTES = 2**30
"""Bytes of audio of one shard, unless one file is larger: they bound the memory for its vectors."""


def make(
    folder: Folder,
    source: Source | Prefix,
    show: Callable[[int, int], None],
    *,
    channel: int = 0,
    shard_files: int = SHARD_FILES,
) -> tuple[Plan, bool]:
    """Lists the files of a source, always in the same order, and cuts them into shards.

    Args:
        folder: gets the plan.
        source: of an import.
        show: called with the number of files so far, and 0.
        channel: the channel to hear, counted from 1; 0 for all, mixed to one.
        shard_files: most files of a shard.

    Returns:
        The plan, and False if the folder had the same one.

    Raises:
        ServiceError: STATE_CONFLICT if the folder has another plan; PATH_NOT_FOUND if there is no
            file; STORAGE_FULL; and of an object store.
    """
    before = _before(folder)
    digest = hashlib.sha256(f"{source.root}\0{channel}\0{shard_files}".encode())
    file_count = size_bytes = shard_count = 0
    for some in _shards(source, shard_files):
        for file in some:
            digest.update(_told(file))
            size_bytes += file.size_bytes
        if before is None:
            write_table(folder.shard(shard_count), file_table(some))
        shard_count += 1
        file_count += len(some)
        show(file_count, 0)
    if not file_count:
        raise without_audio(source.root, source.passed_over)
    id_ = digest.hexdigest()
    plan = Plan(id_, str(source.root), channel, file_count, size_bytes, shard_count)
    if before is None:
        folder.write_plan(plan)
    elif before != plan:
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"{folder.path} has another plan, of {before.file_count:,} files: files or options "
            "have changed since; make this one in another folder",
        )
    return plan, before is None


def _told(file: File) -> bytes:
    """All that is known of a file. Plans of before there were tags of objects keep their ids."""
    told = dict(vars(file))
    if not file.etag:
        del told["etag"]
    return json.dumps(told, sort_keys=True, ensure_ascii=False).encode()


def _before(folder: Folder) -> Plan | None:
    try:
        return folder.plan()
    except ServiceError as error:
        if error.reason is not Reason.PATH_NOT_FOUND:
            raise
    return None


def _shards(source: Source | Prefix, most: int) -> Iterator[list[File]]:
    some: list[File] = []
    size = 0
    for file in listing.files(source):
        if some and (len(some) == most or size + file.size_bytes > SHARD_BYTES):
            yield some
            some, size = [], 0
        some.append(file)
        size += file.size_bytes
    if some:
        yield some
