"""The RPCs about calibrations: checks, delegates and translates each request."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1 import calibration_pb2 as pb
from audiosearch.catalog.v1 import calibration_service_pb2_grpc
from audiosearch.catalog.v1.calibration_pb2 import Calibration
from google.protobuf.empty_pb2 import Empty

from catalog_service import names
from catalog_service.speakers import answers, requests
from catalog_service.speakers.calibrations import Calibrations


class CalibrationServicer(calibration_service_pb2_grpc.CalibrationServiceServicer):
    """Serves audiosearch.catalog.v1.CalibrationService."""

    def __init__(self, calibrations: Calibrations) -> None:
        """Takes the calibrations."""
        self._calibrations = calibrations

    async def GetCalibration(self, request: pb.GetCalibrationRequest, context: Any) -> Calibration:
        library = names.parse_calibration("name", request.name)
        return answers.calibration(library, await self._calibrations.get(library))

    async def PutCalibration(self, request: pb.PutCalibrationRequest, context: Any) -> Calibration:
        new = requests.new_calibration(request)
        return answers.calibration(new.library, await self._calibrations.put(*new))

    async def DeleteCalibration(self, request: pb.DeleteCalibrationRequest, context: Any) -> Empty:
        await self._calibrations.delete(names.parse_calibration("name", request.name))
        return Empty()
