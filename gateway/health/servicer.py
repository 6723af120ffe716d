"""The RPC for the status of the system."""

from __future__ import annotations

import grpc
from audiosearch.gateway.v1 import status_service_pb2_grpc, system_status_pb2

from gateway.access.rights import caller
from gateway.health.status import Status


class StatusServicer(status_service_pb2_grpc.StatusServiceServicer):
    """audiosearch.gateway.v1.StatusService."""

    def __init__(self, status: Status) -> None:
        """Delegates to the part given."""
        self._status = status

    async def GetStatus(
        self, request: system_status_pb2.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> system_status_pb2.SystemStatus:
        return await self._status.read(caller.get())
