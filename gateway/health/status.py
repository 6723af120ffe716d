"""The status of the system: its services, stores and models, and the times of searches."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

import grpc
from audiosearch.catalog.v1 import store_pb2
from audiosearch.catalog.v1.library_pb2 import (
    LIBRARY_VIEW_BASIC,
    ListLibrariesRequest,
    ListLibrariesResponse,
)
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest, ListModelsResponse
from audiosearch.gateway.v1.system_status_pb2 import ServiceStatus, SystemStatus
from audiosearch.index.v1 import index_pb2, index_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.access.rights import Caller, Right
from gateway.health.health import Health
from gateway.libraries.incomplete import incomplete
from gateway.search.record import SearchLog, latency
from gateway.upstream import Upstream
from serving.compat import timeout
from serving.errors import ServiceError

ASK_SECONDS = 2.0
"""Longest wait for a service's answer about itself."""
MOST_INCOMPLETE = 1000
"""Libraries that lack vectors and are looked at for those that the caller may read."""
MOST_TOLD = 100
"""Such libraries that are told."""

AnswerT = TypeVar("AnswerT")
Store = index_pb2.Store | store_pb2.Store


class Status:
    """Puts the status together."""

    def __init__(self, upstream: Upstream, health: Health, searches: SearchLog) -> None:
        """Asks the services of `upstream`."""
        self._upstream = upstream
        self._health = health
        self._searches = searches
        self._start = Timestamp()
        self._start.GetCurrentTime()

    async def read(self, caller: Caller) -> SystemStatus:
        """The status as this caller may see it. Parts that do not answer are left empty."""
        index, catalog, models, lacking = await asyncio.gather(
            _answer(self._upstream.index.GetStore(index_service_pb2.GetStoreRequest())),
            _answer(self._upstream.store.GetStore(store_pb2.GetStoreRequest())),
            _answer(self._upstream.embedding.ListModels(ListModelsRequest())),
            _answer(
                self._upstream.libraries.ListLibraries(
                    ListLibrariesRequest(
                        view=LIBRARY_VIEW_BASIC, incomplete=True, page_size=MOST_INCOMPLETE
                    )
                )
            ),
        )
        records = self._searches.seen_by(caller)
        status = SystemStatus(
            version=importlib.metadata.version("audiosearch"),
            start_time=self._start,
            services=_with_stores(self._health.services(), {"index": index, "catalog": catalog}),
            models=(models or ListModelsResponse()).models,
            searches=records,
            latency=latency(records),
            audio=_readable(catalog.audio, caller) if catalog else None,
            incomplete=incomplete(
                library
                for library in (lacking or ListLibrariesResponse()).libraries
                if caller.may(library.name, Right.read)
            )[:MOST_TOLD],
        )
        status.read_time.GetCurrentTime()
        return status


async def _answer(asked: Awaitable[AnswerT]) -> AnswerT | None:
    """The answer of a service; None if it is away, too slow, or too old to know the RPC."""
    try:
        async with timeout(ASK_SECONDS):
            return await asked
    except (ServiceError, grpc.aio.AioRpcError, TimeoutError, asyncio.TimeoutError):
        return None


def _readable(audio: store_pb2.AudioCheck, caller: Caller) -> store_pb2.AudioCheck:
    """The condition of the audio, without the names of clips that the caller may not read."""
    shown = store_pb2.AudioCheck()
    shown.CopyFrom(audio)
    names = caller.readable()
    if names is not None:
        del shown.clips[:]
        shown.clips.extend(clip for clip in audio.clips if clip.split("/")[1] in names)
    return shown


def _with_stores(
    services: Sequence[ServiceStatus], stores: Mapping[str, Store | None]
) -> list[ServiceStatus]:
    shown = []
    for service in services:
        each = ServiceStatus()
        each.CopyFrom(service)
        if store := stores.get(service.service):
            each.store = store.product
        shown.append(each)
    return shown
