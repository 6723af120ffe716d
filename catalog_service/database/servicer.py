"""The RPC about the stores of rows and audio: checks, delegates and translates each request."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1 import store_service_pb2_grpc
from audiosearch.catalog.v1.store_pb2 import GetStoreRequest, Store

from catalog_service.audio import answers, check_rows
from catalog_service.database.database import Database
from catalog_service.database.product import product


class StoreServicer(store_service_pb2_grpc.StoreServiceServicer):
    """Serves audiosearch.catalog.v1.StoreService."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database

    async def GetStore(self, request: GetStoreRequest, context: Any) -> Store:
        what, audio = await self._database.read(lambda c: (product(c), check_rows.summary(c)))
        return Store(product=what, audio=answers.audio_check(audio))
