"""The RPCs about backups: checks, delegates and translates each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from audiosearch.catalog.v1 import backup_pb2 as pb
from audiosearch.catalog.v1 import backup_service_pb2_grpc

from catalog_service import fields, names
from catalog_service.backups.reading import Reading
from catalog_service.backups.writing import Writing


class BackupServicer(backup_service_pb2_grpc.BackupServiceServicer):
    """Serves audiosearch.catalog.v1.BackupService."""

    def __init__(self, reading: Reading, writing: Writing) -> None:
        """Takes what reads and what writes."""
        self._reading = reading
        self._writing = writing

    async def ReadRows(
        self, request: pb.ReadRowsRequest, context: Any
    ) -> AsyncIterator[pb.ReadRowsResponse]:
        async for schema, rows in self._reading.read(names.parse_library("name", request.name)):
            yield pb.ReadRowsResponse(schema=schema, rows=rows)

    async def WriteRows(self, request: pb.WriteRowsRequest, context: Any) -> pb.WriteRowsResponse:
        fields.entries("rows", request)
        written = await self._writing.write(
            fields.text("backup_id", request), fields.text("schema", request), request.rows
        )
        return pb.WriteRowsResponse(written_count=written)

    async def FinishRestore(
        self, request: pb.FinishRestoreRequest, context: Any
    ) -> pb.FinishRestoreResponse:
        done = await self._writing.finish(fields.text("backup_id", request))
        return pb.FinishRestoreResponse(libraries=done)
