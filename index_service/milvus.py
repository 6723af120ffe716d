"""Indexes in Milvus: the same code for a server and for Milvus Lite in this process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from pymilvus import DataType, MilvusClient

from index_service.connection import Connection, NoCollectionError, NotLoadedError, quiet
from index_service.embedded import EmbeddedMilvus
from index_service.locks import Held
from index_service.settings import IndexSettings
from index_service.store import Found, IndexInfo, Stats, Vectors, not_found, unavailable
from serving.errors import ServiceError

T = TypeVar("T")
_PREFIX = "audiosearch_"
_MODEL = "audiosearch.model"
_STRONG = {"consistency_level": "Strong"}
_LOCKS = 64
_FLUSH_ROWS = 500  # Milvus Lite reads rows in its log one by one: 16 us each and search


class MilvusStore:
    """A VectorStore over pymilvus: one collection for each index, read with strong consistency.

    Nothing about an index is remembered here: another process may have made it anew.
    """

    def __init__(self, settings: IndexSettings) -> None:
        """Starts Milvus Lite or takes the address of the server, which need not answer yet."""
        quiet()
        self._settings = settings
        self._lite: EmbeddedMilvus | None = None
        if settings.milvus_host is None:
            self._lite = EmbeddedMilvus(settings.folder)
            self._connection = Connection(self._lite.uri, "", None)
        else:
            self._connection = Connection(
                f"http://{settings.milvus_host}:{settings.milvus_port}",
                settings.token,
                settings.store_seconds,
            )
        # Milvus Lite loses writes to one collection that overlap, and reads that overlap a flush
        # miss rows. A fixed set of locks, so that ids that come and go leave nothing behind.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._unflushed: Counter[str] = Counter()

    def create(self, index_id: str, info: IndexInfo) -> IndexInfo:
        """See VectorStore."""
        with self._alone(index_id):
            try:
                there = self._describe(index_id)
            except NoCollectionError:
                self._create(index_id, info)
                there = self._describe(index_id)
            self._load(index_id)
            return there

    def drop(self, index_id: str) -> None:
        """See VectorStore."""
        with self._alone(index_id):
            self._unflushed.pop(index_id, None)
            self._call(
                lambda client, timeout: client.drop_collection(_name(index_id), timeout=timeout)
            )

    def describe(self, index_id: str) -> IndexInfo:
        """See VectorStore."""
        return self._do(index_id, lambda: self._describe(index_id))

    def upsert(self, index_id: str, ids: Sequence[str], vectors: Vectors) -> None:
        """See VectorStore."""
        rows = [
            {"id": vector_id, "vector": vector}
            for vector_id, vector in zip(ids, vectors, strict=True)
        ]

        def write() -> None:
            self._call(
                lambda client, timeout: client.upsert(_name(index_id), rows, timeout=timeout)
            )
            self._flush(index_id, len(rows))

        self._do(index_id, write)

    def delete(self, index_id: str, ids: Sequence[str]) -> None:
        """See VectorStore."""

        def write() -> None:
            self._call(
                lambda client, timeout: client.delete(
                    _name(index_id), filter=_among(ids), timeout=timeout
                )
            )
            self._flush(index_id, len(ids))

        self._do(index_id, write)

    def get(self, index_id: str, ids: Sequence[str]) -> dict[str, Sequence[float]]:
        """See VectorStore."""
        rows = self._do(
            index_id,
            lambda: self._call(
                lambda client, timeout: client.query(
                    _name(index_id),
                    filter=_among(ids),
                    output_fields=["id", "vector"],
                    timeout=timeout,
                    **_STRONG,
                )
            ),
        )
        return {row["id"]: row["vector"] for row in rows}

    def list_ids(self, index_id: str, after: str, limit: int) -> list[str]:
        """See VectorStore."""
        # A server takes the smallest ids, in order; Milvus Lite takes any, so it is asked for all.
        cut: dict[str, Any] = {} if self._lite else {"limit": limit, "reduce_stop_for_best": True}
        rows = self._do(
            index_id,
            lambda: self._call(
                lambda client, timeout: client.query(
                    _name(index_id),
                    filter=f'id > "{after}"',
                    output_fields=["id"],
                    timeout=timeout,
                    **cut,
                    **_STRONG,
                )
            ),
        )
        return sorted(row["id"] for row in rows)[:limit]

    def search(
        self, index_id: str, queries: Vectors, limit: int, only_ids: Sequence[str]
    ) -> list[Found]:
        """See VectorStore."""
        parameters = {"metric_type": "COSINE", "params": {"ef": max(self._settings.hnsw_ef, limit)}}
        answers = self._do(
            index_id,
            lambda: self._call(
                lambda client, timeout: client.search(
                    _name(index_id),
                    data=list(queries),
                    limit=limit,
                    filter=_among(only_ids),
                    search_params=parameters,
                    output_fields=["id"],
                    timeout=timeout,
                    **_STRONG,
                )
            ),
        )
        return [[(row.id, row.score) for row in answer] for answer in answers]

    def stats(self, index_id: str) -> Stats:
        """See VectorStore."""
        name = _name(index_id)
        rows = self._do(
            index_id,
            lambda: self._call(
                lambda client, timeout: client.query(
                    name, filter="", output_fields=["count(*)"], timeout=timeout, **_STRONG
                )
            ),
        )
        index = self._call(
            lambda client, timeout: client.describe_index(name, "vector", timeout=timeout)
        )
        version = self._call(lambda client, timeout: client.get_server_version(timeout=timeout))
        parameters = index.get("params", {})
        return Stats(
            count=rows[0]["count(*)"],
            index_type=index["index_type"],
            store=_product(version),
            parameters={key: str(value) for key, value in parameters.items()},
        )

    def check(self) -> None:
        """See VectorStore."""
        self._connection.probe()

    def close(self) -> None:
        """See VectorStore."""
        self._connection.close()
        if self._lite:
            self._lite.close()

    def _call(self, use: Callable[[Any, float], T]) -> T:
        return self._connection.call(use)

    def _alone(self, index_id: str) -> AbstractContextManager[None]:
        if self._lite is None:
            return nullcontext()
        return Held(self._locks[hash(index_id) % _LOCKS])

    def _do(self, index_id: str, action: Callable[[], T]) -> T:
        """Does something to an index that should be there, and loads it if it has to be."""
        with self._alone(index_id):
            try:
                try:
                    return action()
                except NotLoadedError:
                    self._load(index_id)
                    return action()
            except NoCollectionError as error:
                raise not_found(index_id) from error
            except NotLoadedError as error:
                raise unavailable("the index is being loaded") from error

    def _describe(self, index_id: str) -> IndexInfo:
        facts = self._call(
            lambda client, timeout: client.describe_collection(_name(index_id), timeout=timeout)
        )
        dimension = next(
            int(field["params"]["dim"]) for field in facts["fields"] if field["name"] == "vector"
        )
        return IndexInfo(facts["properties"].get(_MODEL, ""), dimension)

    def _create(self, index_id: str, info: IndexInfo) -> None:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=info.dimension)
        try:
            self._call(
                lambda client, timeout: client.create_collection(
                    _name(index_id),
                    schema=schema,
                    properties={_MODEL: info.model},
                    timeout=timeout,
                    **_STRONG,
                )
            )
        except ServiceError as error:
            try:  # another replica may have been first
                self._describe(index_id)
            except NoCollectionError:
                raise error from error.__cause__

    def _load(self, index_id: str) -> None:
        """Brings an index into memory; builds what a crash may have left out."""
        name = _name(index_id)
        if not self._call(lambda client, timeout: client.list_indexes(name, timeout=timeout)):
            # Not waiting for it: it is empty, and pymilvus would sleep half a second first.
            self._call(
                lambda client, timeout: client.create_index(
                    name, self._index_parameters(), timeout=timeout, sync=False
                )
            )
        self._call(lambda client, timeout: client.load_collection(name, timeout=timeout))
        self._flush(index_id, 0)

    def _index_parameters(self) -> Any:
        settings = self._settings
        build = {"M": settings.hnsw_m, "efConstruction": settings.hnsw_ef_construction}
        parameters = MilvusClient.prepare_index_params()
        # Twice `params`: pymilvus unpacks the outer one, and Milvus Lite reads only the inner one.
        parameters.add_index(
            "vector",
            index_type=settings.kind,
            metric_type="COSINE",
            params={"params": build if settings.kind == "HNSW" else {}},
        )
        return parameters

    def _flush(self, index_id: str, rows: int) -> None:
        """Has Milvus Lite turn its log into indexed files now and then; a server does so itself."""
        if self._lite is None:
            return
        self._unflushed[index_id] += rows
        if rows == 0 or self._unflushed[index_id] >= _FLUSH_ROWS:
            self._call(lambda client, timeout: client.flush(_name(index_id), timeout=timeout))
            del self._unflushed[index_id]


def _name(index_id: str) -> str:
    return _PREFIX + index_id


def _among(ids: Sequence[str]) -> str:
    """Filter for these ids, which were checked to hold nothing that could end a string."""
    return "id in [" + ",".join(f'"{vector_id}"' for vector_id in ids) + "]" if ids else ""


def _product(version: str) -> str:
    if version.startswith("milvus_lite-"):
        return "milvus-lite " + version.removeprefix("milvus_lite-")
    return "milvus " + version.removeprefix("v")
