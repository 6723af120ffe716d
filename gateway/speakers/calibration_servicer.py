"""The RPCs about calibrations: checks, delegates and translates each request."""

from __future__ import annotations

import grpc
from audiosearch.catalog.v1 import calibration_pb2
from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.gateway.v1 import calibration_service_pb2_grpc, calibrations_pb2
from google.protobuf.empty_pb2 import Empty

from gateway.speakers.calibrating import Calibrating
from gateway.upstream import Upstream


class CalibrationServicer(calibration_service_pb2_grpc.CalibrationServiceServicer):
    """audiosearch.gateway.v1.CalibrationService."""

    def __init__(self, upstream: Upstream, calibrating: Calibrating) -> None:
        """Delegates to the parts given."""
        self._upstream = upstream
        self._calibrating = calibrating

    async def CalibrateLibrary(
        self, request: calibrations_pb2.CalibrateLibraryRequest, context: grpc.aio.ServicerContext
    ) -> Calibration:
        return await self._calibrating.fit(request)

    async def GetCalibration(
        self, request: calibration_pb2.GetCalibrationRequest, context: grpc.aio.ServicerContext
    ) -> Calibration:
        return await self._upstream.calibrations.GetCalibration(request)

    async def UpdateCalibration(
        self, request: calibration_pb2.UpdateCalibrationRequest, context: grpc.aio.ServicerContext
    ) -> Calibration:
        return await self._calibrating.update(request)

    async def DeleteCalibration(
        self, request: calibration_pb2.DeleteCalibrationRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        return await self._upstream.calibrations.DeleteCalibration(request)
