"""Keeps indexes in Milvus, with the same code for a server and for Milvus Lite."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TypeVar

from audiosearch.index.v1.index_pb2 import Attributes

from index_service import collection_names, filters, mirror
from index_service.commands import Collection, Commands, Row
from index_service.connection import (
    Connection,
    NoCollectionError,
    NotLoadedError,
    TakenError,
    quiet,
)
from index_service.efforts import Efforts
from index_service.embedded import NAME as EMBEDDED
from index_service.embedded import EmbeddedMilvus
from index_service.locks import Held, SharedLock
from index_service.plan import memory_bytes, plan
from index_service.retuner import Retuner
from index_service.settings import IndexSettings
from index_service.store import (
    Among,
    Found,
    IndexInfo,
    Mirror,
    Stats,
    Stored,
    Vectors,
    not_found,
    unavailable,
)
from serving.errors import Reason, ServiceError

T = TypeVar("T")
_LOCKS = 64
_FLUSH_ROWS = 500  # each row that Milvus Lite has only in its log costs every search 16 us
_REMEMBERED = 10_000
_UPDATED = 1000  # rows read and written at a time
_TEXTS = 20_000  # rows that are read with their texts at a time
_DEEPEST = 4096  # a row in Milvus' answer may have 40 KB of texts


class MilvusStore:
    """A VectorStore over pymilvus. A write returns once all readers see it, so no read has to wait.

    Writes look up the collections of an index each time, because another process may have made the
    index anew or may be about to replace its collection. Reads may use a remembered collection:
    while a collection exists it gets every write, and its name is never used again.
    """

    def __init__(self, settings: IndexSettings) -> None:
        """Starts Milvus Lite, or takes the address of a server, which need not answer yet."""
        quiet()
        self._settings = settings
        self._lite: EmbeddedMilvus | None = None
        if settings.milvus_host is None:
            self._lite = EmbeddedMilvus(settings.folder, settings.reserve_bytes)
            self._connection = Connection(self._lite.uri, "", None, EMBEDDED)
        else:
            self._connection = Connection(
                f"http://{settings.milvus_host}:{settings.milvus_port}",
                settings.token,
                settings.store_seconds,
            )
        self._room = self._lite.room if self._lite else None
        self._is_lite = self._lite is not None
        self._commands = Commands(self._connection, lite=self._is_lite)
        self._efforts = Efforts(self._commands, settings, lite=self._is_lite)
        self._retuner = None if self._lite else Retuner(self._commands, settings)
        # In Milvus Lite, overlapping writes to a collection are lost and reads during a flush miss
        # rows. The set of locks is fixed, so that dropped indexes leave no lock behind.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._writers = [SharedLock() for _ in range(_LOCKS)]
        self._unflushed: Counter[str] = Counter()
        self._known: dict[str, Collection] = {}

    def create(self, index_id: str, info: IndexInfo) -> IndexInfo:
        """See VectorStore."""
        with Held(self._locks[hash(index_id) % _LOCKS]):
            self._known.pop(index_id, None)
            try:
                with self._checked(index_id):
                    return self._made(index_id, info)
            except ServiceError as error:
                if error.reason is not Reason.INDEX_NOT_FOUND:
                    raise
            return self._made(index_id, info)  # what was damaged is set aside

    def _made(self, index_id: str, info: IndexInfo) -> IndexInfo:
        try:
            there = self._commands.describe(collection_names.alias(index_id))
        except NoCollectionError:
            if self._room:
                self._room.require()
            self._create(index_id, info)
            there = self._commands.describe(collection_names.alias(index_id))
        self._load(index_id, there.name)
        return there.info

    def drop(self, index_id: str) -> None:
        """See VectorStore."""
        if self._room:
            self._room.let_go()
        with _damage_passed_over(), self._alone(index_id):
            self._unflushed.pop(index_id, None)
            self._known.pop(index_id, None)
            if not self._lite:
                self._drop_alias(collection_names.alias(index_id))
            for name in self._others(index_id, set()):
                self._commands.drop(name)

    def describe(self, index_id: str, *, remembered: bool = False) -> IndexInfo:
        """See VectorStore."""
        known = self._known.get(index_id) if remembered else None
        return known.info if known else self._read(index_id, lambda there: there.info, fresh=True)

    def upsert(
        self, index_id: str, ids: Sequence[str], vectors: Vectors, mirrors: Sequence[Mirror]
    ) -> None:
        """See VectorStore."""
        if self._room:
            self._room.require()
        rows: list[Row] = [
            {"id": vector_id, "vector": vector}
            for vector_id, vector in zip(ids, vectors, strict=True)
        ]
        if mirrors:
            for row, each in zip(rows, mirrors, strict=True):
                row.update(mirror.columns(each.clip_id, each.attributes, lite=self._is_lite))
        with self._writing(index_id):
            self._write(index_id, len(rows), lambda name: self._commands.upsert(name, rows))

    def delete(self, index_id: str, ids: Sequence[str], clip_ids: Sequence[str]) -> None:
        """See VectorStore."""
        if self._room:
            self._room.let_go()
        self.describe(index_id)
        lists = (("id", ids), ("clip_id", clip_ids))
        among = " or ".join(f"{name} in {filters.quoted(each)}" for name, each in lists if each)
        size = len(ids) + len(clip_ids)
        with self._writing(index_id):
            self._write(index_id, size, lambda name: self._commands.delete(name, among))

    def update(self, index_id: str, attributes: Mapping[str, Attributes]) -> int:
        """See VectorStore.

        Milvus can't change a part of a row, so rows are read and written anew, a part at a time.
        Each part excludes all other writes of this process: a vector that is deleted after it was
        read would come back, and a new one would be lost.
        """
        after, updated = "", 0
        while True:
            with self._writing(index_id, alone=True):
                ids, count = self._update_some(index_id, after, attributes)
            updated += count
            if len(ids) < _UPDATED:
                return updated
            after = ids[-1]

    def _update_some(
        self, index_id: str, after: str, attributes: Mapping[str, Attributes]
    ) -> tuple[list[str], int]:
        """Updates the vectors of clips with the next ids. Returns these, and how many changed."""
        ids, rows = self._look(index_id, lambda there: self._changed(there, after, attributes))
        if rows:
            self._write(index_id, len(rows), lambda name: self._commands.upsert(name, rows))
        return ids, len(rows)

    def _changed(
        self, there: Collection, after: str, attributes: Mapping[str, Attributes]
    ) -> tuple[list[str], list[Row]]:
        """Returns the next ids of vectors of clips, and the new rows of those that change."""
        among = f"clip_id in {filters.quoted(list(attributes))}"
        columns = ["clip_id", "revision"]
        found = self._commands.list_rows(there.name, after, _UPDATED, columns, among)
        older = [
            row["id"] for row in found if row["revision"] <= attributes[row["clip_id"]].revision
        ]
        changed = []
        for row in self._commands.rows(there.name, older, ["*"]).values() if older else ():
            clip_id = row["clip_id"]
            new = mirror.columns(clip_id, attributes[clip_id], lite=self._is_lite)
            new |= {"id": row["id"], "vector": row["vector"]}
            if new != row:
                changed.append(new)
        return [row["id"] for row in found], changed

    def get(self, index_id: str, ids: Sequence[str]) -> dict[str, Stored]:
        """See VectorStore."""

        def look(there: Collection) -> dict[str, Stored]:
            fields = ["vector", "clip_id"] if there.info.windows else ["vector"]
            rows = self._commands.rows(there.name, ids, fields).values()
            return {row["id"]: Stored(row["vector"], row.get("clip_id", "")) for row in rows}

        return self._read(index_id, look)

    def list_ids(self, index_id: str, after: str, limit: int) -> list[tuple[str, int | None]]:
        """See VectorStore."""

        def look(there: Collection) -> list[tuple[str, int | None]]:
            fields = ["revision"] if there.info.windows else []
            rows = self._commands.list_rows(there.name, after, limit, fields)
            return [(row["id"], row.get("revision")) for row in rows]

        return self._read(index_id, look)

    def search(
        self,
        index_id: str,
        info: IndexInfo,
        queries: Vectors,
        k: int,
        spare: int,
        among: Among,
        recall: float,
    ) -> list[Found]:
        """See VectorStore."""
        parts = filters.Parts(among.conditions)

        def look(there: Collection) -> list[Found]:
            if there.info != info:
                raise unavailable("the index was just created anew")
            some = among if there.tagged else filters.without_tags(among)
            if some is None:
                return [[] for _ in queries]
            narrowed = filters.expression(some, lite=self._is_lite)
            limit = k + spare
            ef, halved = self._efforts.choose(there.name, queries, k, limit, some, recall)
            if parts:
                return self._with_parts(there.name, queries, limit, narrowed, ef, parts)
            if not halved:
                return self._commands.search(there.name, queries, limit, narrowed, {"ef": ef})
            low, high = (
                self._commands.search(there.name, queries, limit, part, {"ef": ef})
                for part in filters.halves(narrowed)
            )
            return [one + other for one, other in zip(low, high, strict=True)]

        return self._read(index_id, look)

    def _with_parts(
        self, name: str, queries: Vectors, limit: int, narrowed: str, ef: int, parts: filters.Parts
    ) -> list[Found]:
        """Searches for rows that contain texts: deeper, as long as too many found ones do not."""
        found: list[Found] = [[] for _ in queries]
        short, reach = list(range(len(queries))), limit
        while short:
            at_once, still_short = max(1, _TEXTS // reach), []
            for start in range(0, len(short), at_once):
                some = short[start : start + at_once]
                answers = self._commands.search_with(
                    name, queries[some], reach, narrowed, {"ef": max(ef, reach)}, mirror.FOLDED
                )
                for number, hits in zip(some, answers, strict=True):
                    found[number] = [(hit.id, hit.score) for hit in hits if parts.fit(hit.value)]
                    if len(hits) == reach and len(found[number]) < limit:
                        still_short.append(number)
            short = still_short if reach < _DEEPEST else []
            reach = min(4 * reach, _DEEPEST)
        return found

    def stats(self, index_id: str) -> Stats:
        """See VectorStore."""

        def look(there: Collection) -> Stats:
            count, built = self._commands.count(there.name), self._commands.index(there.name)
            kind, parameters = built.plan.index_type, built.plan.parameters
            return Stats(
                count=count,
                index_type=kind,
                store=self._commands.product(),
                parameters=parameters,
                memory_bytes=memory_bytes(
                    kind,
                    parameters,
                    count,
                    there.info.dimension,
                    windows=there.info.windows,
                ),
                pending=built.pending,
            )

        return self._read(index_id, look)

    def ids(self) -> list[str]:
        """See VectorStore."""
        ours = filter(collection_names.is_ours, self._commands.names())
        return sorted({collection_names.index_of(name) for name in ours})

    def product(self) -> str:
        """See VectorStore."""
        return self._commands.product()

    def check(self) -> None:
        """See VectorStore."""
        if self._room:
            self._room.keep()
        self._connection.probe()

    def lost(self) -> ServiceError | None:
        """See VectorStore."""
        return self._connection.lost()

    def close(self) -> None:
        """See VectorStore."""
        if self._retuner:
            self._retuner.close()
        self._efforts.close()
        self._connection.close()
        if self._lite:
            self._lite.close()

    def _create(self, index_id: str, info: IndexInfo) -> None:
        """Creates a collection. On a server it gets the alias that readers use when it is ready."""
        alias = collection_names.alias(index_id)
        if self._lite:
            self._commands.create(alias, info)
            return
        name = collection_names.new_collection(index_id)
        try:
            self._commands.make(name, info, plan(0, "", self._settings))
            self._commands.add_alias(alias, name)
        except TakenError:  # another replica was first
            self._commands.drop(name)
            self._check_alias(alias)

    def _check_alias(self, alias: str) -> None:
        try:
            self._commands.describe(alias)
        except NoCollectionError:  # Milvus before 2.4.23 keeps the alias of a dropped collection
            self._drop_alias(alias)
            raise unavailable("the index is being dropped") from None

    def _drop_alias(self, alias: str) -> None:
        """Removes an alias if it exists.

        Milvus 2.3 also removes all longer aliases that begin alike from its records, and forgets
        them at its next start. So these are written once more, also if there was no such alias.
        """
        self._commands.drop_alias(alias)
        for name in self._commands.names():
            longer = collection_names.alias(collection_names.owner(name) or "")
            if longer == alias or not longer.startswith(alias):
                continue
            with suppress(NoCollectionError):
                self._commands.move_alias(longer, self._commands.describe(longer).name)

    @contextmanager
    def _alone(self, index_id: str) -> Iterator[None]:
        """Keeps others from an index of Milvus Lite, and looks for damage after a failure."""
        if self._lite is None:
            yield
        else:
            with Held(self._locks[hash(index_id) % _LOCKS]), self._checked(index_id):
                yield

    @contextmanager
    def _checked(self, index_id: str) -> Iterator[None]:
        """Turns a failure of Milvus Lite into INDEX_NOT_FOUND, if the index is damaged."""
        try:
            yield
        except ServiceError as error:
            if self._lite is None or error.reason is not Reason.INDEX_UNAVAILABLE:
                raise
            if self._connection.lost() or not self._lite.lost(collection_names.alias(index_id)):
                raise
            self._known.pop(index_id, None)
            raise not_found(index_id) from error

    def _writing(self, index_id: str, *, alone: bool = False) -> AbstractContextManager[None]:
        if self._lite is not None:
            return self._alone(index_id)
        return self._writers[hash(index_id) % _LOCKS].held(alone=alone)

    def _write(self, index_id: str, rows: int, write: Callable[[str], None]) -> None:
        """Writes to each collection of an index, the older first, until none is left.

        While a collection is filled to replace another, both get every write. A collection that is
        created during the write is found after it and gets the write too.
        """
        done: set[str] = set()
        while names := self._others(index_id, done):
            for name in names:
                with suppress(NoCollectionError):  # its successor gets this write too
                    self._write_one(index_id, name, write)
                self._flush(index_id, name, rows)
                done.add(name)
        if not done:
            raise not_found(index_id)
        if self._retuner:
            self._retuner.touch(index_id)

    def _write_one(self, index_id: str, name: str, write: Callable[[str], None]) -> None:
        """Writes to one collection, and loads it first if it is not in memory."""
        try:
            try:
                write(name)
            except NotLoadedError:
                self._load(index_id, name)
                write(name)
        except NotLoadedError as error:
            raise unavailable("the index is being loaded") from error

    def _others(self, index_id: str, done: set[str]) -> list[str]:
        if self._lite:  # a damaged collection of another index would fail the list of all
            name = collection_names.alias(index_id)
            return [name] if name not in done and self._commands.exists(name) else []
        names = collection_names.collections_of(index_id, self._commands.names())
        return [name for name in names if name not in done]

    def _read(self, index_id: str, look: Callable[[Collection], T], *, fresh: bool = False) -> T:
        """Reads an index, on Milvus Lite while nobody else uses it."""
        with self._alone(index_id):
            return self._look(index_id, look, fresh=fresh)

    def _look(self, index_id: str, look: Callable[[Collection], T], *, fresh: bool = False) -> T:
        """Reads an index. Tries once more if its collection was replaced or not in memory."""
        try:
            with suppress(NoCollectionError):  # a replaced collection: the next read finds it
                try:
                    return look(self._place(index_id, fresh=fresh))
                except NotLoadedError:
                    self._load(index_id, self._place(index_id, fresh=True).name)
            return look(self._place(index_id, fresh=True))
        except NoCollectionError as error:
            raise not_found(index_id) from error
        except NotLoadedError as error:
            raise unavailable("the index is being loaded") from error

    def _place(self, index_id: str, *, fresh: bool) -> Collection:
        """Returns the collection to read an index from."""
        known = None if fresh else self._known.get(index_id)
        if known is None:
            self._known.pop(index_id, None)
            known = self._commands.describe(collection_names.alias(index_id))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[index_id] = known
        return known

    def _load(self, index_id: str, name: str) -> None:
        self._commands.load(name, plan(0, "", self._settings))
        self._flush(index_id, name, 0)

    def _flush(self, index_id: str, name: str, rows: int) -> None:
        """Makes Milvus Lite turn its log into files now and then. A server does so by itself."""
        if self._lite is None:
            return
        self._unflushed[index_id] += rows
        if rows == 0 or self._unflushed[index_id] >= _FLUSH_ROWS:
            self._commands.flush(name)
            del self._unflushed[index_id]


@contextmanager
def _damage_passed_over() -> Iterator[None]:
    """Lets the removal of an index pass that turns out to be damaged: it is set aside."""
    try:
        yield
    except ServiceError as error:
        if error.reason is not Reason.INDEX_NOT_FOUND:
            raise
