"""The commands that the service sends to Milvus, one method each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pymilvus import DataType, MilvusClient

from index_service import filters, mirror
from index_service.connection import Connection
from index_service.locks import Held
from index_service.plan import FLAT, Plan
from index_service.store import Found, IndexInfo, Vectors

T = TypeVar("T")
Row = dict[str, Any]
_MODEL = "audiosearch.model"
_ALIVE = "audiosearch.alive"
_STRONG = {"consistency_level": "Strong"}
"""A read that sees every earlier write. It waits for the next tick of Milvus' clock, 50 ms or more.
"""

_BOUNDED = {"consistency_level": "Bounded"}
"""A read of the present state, without a wait. The state is never older than 5 s."""

_SLOW_SECONDS = 60.0
_LOCKS = 64

_NUMBERS = np.dtype("<f4")
_BYTES = {"fields": [{"name": "vector", "type": DataType.FLOAT_VECTOR}]}
"""Tells pymilvus that queries are bytes of float32. It would pack an array number by number, and
without this ask the server for the type.
"""


@dataclass(frozen=True)
class Collection:
    """Milvus' description of a collection."""

    name: str
    info: IndexInfo
    aliases: Sequence[str]
    alive: float
    """Time of the last sign of life of its maker, in seconds since 1970; 0 if there is none."""
    tagged: bool
    """True if it has a column of tags, which those of earlier times have not."""


@dataclass(frozen=True)
class Built:
    """Milvus' description of the index of a collection."""

    plan: Plan
    pending: int
    """Number of rows that are not yet built into the index."""


class Hit(NamedTuple):
    """A vector that a search found, with the value of the column that was asked for."""

    id: str
    score: float
    value: str


class Commands:
    """Milvus' commands on collections, by name or alias.

    A write returns only after every reader sees it, so that no search has to wait.

    All commands raise NoCollectionError, NotLoadedError or ServiceError (INDEX_UNAVAILABLE).
    """

    def __init__(self, connection: Connection, *, lite: bool) -> None:
        """Takes the connection. `lite` is True for Milvus Lite."""
        self._connection = connection
        self._lite = lite
        self._loads = [threading.Lock() for _ in range(_LOCKS)]

    def names(self) -> list[str]:
        """Returns the names of all collections."""
        return self._call(lambda client, timeout: client.list_collections(timeout=timeout))

    def exists(self, name: str) -> bool:
        """Returns True if there is a collection of this name. Asks about no other."""
        return bool(
            self._call(lambda client, timeout: client.has_collection(name, timeout=timeout))
        )

    def describe(self, name: str) -> Collection:
        """Describes a collection. `name` may be an alias."""
        facts = self._call(
            lambda client, timeout: client.describe_collection(name, timeout=timeout)
        )
        fields = {field["name"]: field for field in facts["fields"]}
        said = facts["properties"]
        return Collection(
            name=facts["collection_name"],
            info=IndexInfo(
                model=said.get(_MODEL, ""),
                dimension=int(fields["vector"]["params"]["dim"]),
                windows="clip_id" in fields,
            ),
            aliases=list(facts.get("aliases", ())),
            alive=float(said.get(_ALIVE, 0)),
            tagged=mirror.TAGS in fields,
        )

    def make(self, name: str, info: IndexInfo, plan: Plan) -> None:
        """Creates an empty collection with its indexes, and loads it into memory.

        A write that finds it meanwhile waits: a collection that is loaded takes no further index.
        """
        with self._loading(name):
            self.create(name, info)
            self._load(name, plan)

    def create(self, name: str, info: IndexInfo) -> None:
        """Creates an empty collection without an index."""
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=info.windows)
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=info.dimension)
        if info.windows:
            mirror.add_columns(schema, lite=self._lite)
        properties = {_MODEL: info.model, _ALIVE: str(time.time())}
        self._call(
            lambda client, timeout: client.create_collection(
                name, schema=schema, properties=properties, timeout=timeout, **_STRONG
            )
        )

    def sign(self, name: str) -> None:
        """Writes a sign of life of the collection's maker."""
        properties = {_ALIVE: str(time.time())}
        self._call(
            lambda client, timeout: client.alter_collection_properties(
                name, properties, timeout=timeout
            )
        )

    def load(self, name: str, plan: Plan) -> None:
        """Loads a collection into memory. Creates its indexes if it has none."""
        with self._loading(name):
            self._load(name, plan)

    def _loading(self, name: str) -> Held:
        return Held(self._loads[hash(name) % _LOCKS])

    def _load(self, name: str, plan: Plan) -> None:
        if not self._call(lambda client, timeout: client.list_indexes(name, timeout=timeout)):
            parameters = MilvusClient.prepare_index_params()
            # `params` is nested: pymilvus unpacks the outer one, Milvus Lite reads only the inner.
            parameters.add_index(
                "vector",
                index_type=plan.index_type,
                metric_type="COSINE",
                params={"params": {key: int(value) for key, value in plan.parameters.items()}},
            )
            for column, index_type in self._indexed(name).items():
                parameters.add_index(column, index_type=index_type)
            # Without waiting: the collection is empty, and pymilvus would sleep half a second.
            self._call(
                lambda client, timeout: client.create_index(
                    name, parameters, timeout=timeout, sync=False
                )
            )
        self._call(lambda client, timeout: client.load_collection(name, timeout=timeout))

    def _indexed(self, name: str) -> Mapping[str, str]:
        """Returns the columns to filter by that need an index, and its type."""
        windows = not self._lite and self.describe(name).info.windows
        return mirror.INDEXED if windows else {}

    def drop(self, name: str) -> None:
        """Removes a collection if it exists."""
        self._call(lambda client, timeout: client.drop_collection(name, timeout=timeout))

    def add_alias(self, alias: str, name: str) -> None:
        """Gives an alias to a collection. Raises TakenError when another collection has it."""
        self._call(lambda client, timeout: client.create_alias(name, alias, timeout=timeout))

    def move_alias(self, alias: str, name: str) -> None:
        """Moves an existing alias to another collection, in one step."""
        self._call(lambda client, timeout: client.alter_alias(name, alias, timeout=timeout))

    def drop_alias(self, alias: str) -> None:
        """Removes an alias if it exists."""
        self._call(lambda client, timeout: client.drop_alias(alias, timeout=timeout))

    def flush(self, name: str) -> None:
        """Makes Milvus write its rows to files and build their index."""
        self._call(lambda client, timeout: client.flush(name, timeout=timeout), _SLOW_SECONDS)

    def upsert(self, name: str, rows: Sequence[Row]) -> None:
        """Stores rows. Each replaces one with the same id."""

        def write(client: Any, timeout: float) -> None:
            # Milvus Lite's `upsert` keeps what the old row has and the new one lacks, such as a
            # number of metadata. Its `insert` replaces; that of a server would keep both rows.
            (client.insert if self._lite else client.upsert)(name, list(rows), timeout=timeout)

        self._call(write)
        self._settle(name)

    def delete(self, name: str, among: str) -> None:
        """Removes the vectors that fit a filter."""
        self._call(lambda client, timeout: client.delete(name, filter=among, timeout=timeout))
        self._settle(name)

    def rows(
        self, name: str, ids: Sequence[str], fields: Sequence[str], *, unsettled: bool = False
    ) -> dict[str, Row]:
        """Reads rows by id. With `unsettled`, also sees writes that have not returned yet."""
        level = _STRONG if unsettled else _BOUNDED
        among = f"id in {filters.quoted(ids)}"
        rows = self._query(name, among, ["id", *fields], **level)
        return {row["id"]: row for row in rows}

    def list_rows(
        self, name: str, after: str, limit: int, fields: Sequence[str] = (), among: str = ""
    ) -> list[Row]:
        """Reads the rows with the `limit` smallest ids greater than `after`, ascending by id.

        Args:
            name: The collection.
            after: An id; empty reads from the first.
            limit: Most rows.
            fields: Columns to read beside the id.
            among: A filter of the rows; empty for all.
        """
        columns, also = ["id", *fields], f" and {among}" if among else ""
        if self._lite:  # its limit returns any ids, not the smallest, so all are read
            rows = self._query(name, f'id > "{after}"{also}', columns)
            return sorted(rows, key=_id_of)[:limit]
        rows = []
        while len(rows) < limit:
            # Ordered as for iterators. A page can end at the end of a segment, so only an empty
            # page is the last.
            page = self._query(
                name,
                f'id > "{rows[-1]["id"] if rows else after}"{also}',
                columns,
                limit=limit - len(rows),
                iterator="True",
                reduce_stop_for_best="True",
            )
            if not page:
                break
            rows.extend(sorted(page, key=_id_of))
        return rows

    def count(self, name: str, among: str = "") -> int:
        """Returns the number of vectors that fit a filter."""
        return int(self._query(name, among, ["count(*)"], **_BOUNDED)[0]["count(*)"])

    def search(
        self,
        name: str,
        queries: Vectors,
        limit: int,
        among: str,
        parameters: Mapping[str, int],
    ) -> list[Found]:
        """Finds the `limit` nearest vectors for each row of `queries` (n, dimension)."""
        answers = self._search(name, queries, limit, among, parameters)
        # Lists of pymilvus, without a dictionary for each hit.
        return [list(zip(each.ids, each.distances, strict=True)) for each in answers]

    def search_with(
        self,
        name: str,
        queries: Vectors,
        limit: int,
        among: str,
        parameters: Mapping[str, int],
        field: str,
    ) -> list[list[Hit]]:
        """Does what `search` does, and reads a column of each vector found."""
        answers = self._search(name, queries, limit, among, parameters, output_fields=[field])
        return [[Hit(row.id, row.score, row[field]) for row in answer] for answer in answers]

    def _search(
        self,
        name: str,
        queries: Vectors,
        limit: int,
        among: str,
        parameters: Mapping[str, int],
        **more: Any,
    ) -> Any:
        rows = [row.tobytes() for row in np.asarray(queries, _NUMBERS)]
        return self._call(
            lambda client, timeout: client.search(
                name,
                data=rows,
                anns_field="vector",
                schema=_BYTES,
                limit=limit,
                filter=among,
                search_params={"metric_type": "COSINE", "params": dict(parameters)},
                timeout=timeout,
                **_BOUNDED,
                **more,
            )
        )

    def index(self, name: str) -> Built:
        """Describes the index of a collection."""
        facts = self._call(
            lambda client, timeout: client.describe_index(name, "vector", timeout=timeout)
        )
        parameters = {key: str(value) for key, value in facts.get("params", {}).items()}
        kind = facts["index_type"]
        pending = 0 if kind == FLAT else int(facts.get("pending_index_rows", 0))
        return Built(Plan(kind, parameters), pending)

    def product(self) -> str:
        """Returns name and version of the store."""
        version = str(
            self._call(lambda client, timeout: client.get_server_version(timeout=timeout))
        )
        if version.startswith("milvus_lite-"):
            return "milvus-lite " + version.removeprefix("milvus_lite-")
        return "milvus " + version.removeprefix("v")

    def _settle(self, name: str) -> None:
        """Waits until every reader sees the earlier writes. Milvus Lite shows them at once."""
        if not self._lite:
            self._query(name, 'id == ""', ["id"])

    def _query(self, name: str, among: str, fields: list[str], **more: Any) -> list[dict[str, Any]]:
        options = {**_STRONG, **more}
        return self._call(
            lambda client, timeout: client.query(
                name, filter=among, output_fields=fields, timeout=timeout, **options
            )
        )

    def _call(self, use: Callable[[Any, float], T], seconds: float | None = None) -> T:
        return self._connection.call(use, seconds)


def _id_of(row: Row) -> str:
    return str(row["id"])
