"""Fills a collection of a Milvus server by its bulk insert: from a file, past its log."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from pymilvus import DataType, MilvusClient, connections, utility

from tools.servers.milvus_server import MilvusServer

GROUP = 50_000
"""Rows that are made at a time."""

INSERT_SECONDS = 3600.0
"""Longest wait for an import. Milvus calls it completed when the indexes are built, too."""

TYPES = {
    DataType.VARCHAR: pa.string(),
    DataType.INT16: pa.int16(),
    DataType.INT64: pa.int64(),
    DataType.FLOAT_VECTOR: pa.list_(pa.float32()),
}
DYNAMIC = "$meta"
"""Column of what the schema does not name, as JSON."""

Columns = Mapping[str, Sequence[Any] | np.ndarray]


class BulkInsertError(Exception):
    """Milvus refused the rows, or took too long. The message has its words."""


def bulk_insert(
    server: MilvusServer,
    folder: Path,
    collection: str,
    rows: int,
    columns: Callable[[range], Columns],
) -> None:
    """Writes rows to a file of Parquet and lets Milvus read it.

    Args:
        server: The server, which reads the file from this machine's disk.
        folder: Folder for the file, which is removed at the end.
        collection: Name of the collection, no alias.
        rows: Number of rows.
        columns: Returns the columns of the schema for some of the numbers from 0 to `rows`. A
            vector's have the shape (n, dimension).

    Raises:
        BulkInsertError: Milvus refused the file, or was not done after `INSERT_SECONDS`.
    """
    client = MilvusClient(f"http://127.0.0.1:{server.port}")
    facts = client.describe_collection(collection)
    client.close()
    schema = pa.schema([(field["name"], _type(field)) for field in facts["fields"]])
    if facts["enable_dynamic_field"]:
        schema = schema.append(pa.field(DYNAMIC, pa.string()))
    with tempfile.TemporaryDirectory(dir=folder) as work:
        path = Path(work) / "rows.parquet"
        with parquet.ParquetWriter(path, schema) as file:
            for first in range(0, rows, GROUP):
                part = range(first, min(first + GROUP, rows))
                values = {DYNAMIC: ["{}"] * len(part), **columns(part)}
                file.write_table(
                    pa.table([_array(values[each.name], each) for each in schema], schema=schema)
                )
        _import(server, collection, path)


def _type(field: Mapping[str, Any]) -> pa.DataType:
    if field["type"] == DataType.ARRAY:
        return pa.list_(TYPES[field["element_type"]])
    return TYPES[field["type"]]


def _array(values: Sequence[Any] | np.ndarray, field: pa.Field) -> pa.Array:
    if isinstance(values, np.ndarray) and values.ndim == 2:
        ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        return pa.ListArray.from_arrays(ends, pa.array(values.reshape(-1)))
    return pa.array(values, field.type)


def _import(server: MilvusServer, collection: str, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pymilvus names a successor that this server has not
        connections.connect(collection, host="127.0.0.1", port=server.port)
        try:
            job = utility.do_bulk_insert(collection, [str(path)], using=collection)
            until = time.monotonic() + INSERT_SECONDS
            while (
                state := utility.get_bulk_insert_state(job, using=collection)
            ).state_name != "Completed":
                if state.state_name.startswith("Failed") or time.monotonic() > until:
                    raise BulkInsertError(f"{state.state_name}, {state.infos}")
                time.sleep(0.5)
        finally:
            connections.disconnect(collection)
