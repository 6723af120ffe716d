"""/v1/libraries/{library}/calibration: the meaning of voice scores in a library."""

from __future__ import annotations

from audiosearch.catalog.v1 import calibration_pb2
from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.gateway.v1.calibrations_pb2 import CalibrateLibraryRequest
from fastapi import APIRouter, Request, Response
from google.protobuf.empty_pb2 import Empty

from gateway.rest.messages.json import answer, parse_body, parse_change
from gateway.rest.messages.openapi import document
from gateway.rest.messages.query import Query, refuse_others
from gateway.rest.parts import Parts

_UPDATE = Query(calibration_pb2.UpdateCalibrationRequest, "updateMask")


def router(parts: Parts) -> APIRouter:
    """The routes of calibrations."""
    api = APIRouter(tags=["calibration"])
    path = "/v1/libraries/{library}/calibration"

    @api.post(
        "/v1/libraries/{library:id}:calibrate",
        **document(body=CalibrateLibraryRequest, answer=Calibration),
    )
    async def calibrate_library(request: Request, library: str) -> Response:
        """Fits a calibration to the clips of a library whose speakers are known."""
        refuse_others(request)
        message = await parse_body(request, CalibrateLibraryRequest())
        message.name = f"libraries/{library}"
        return answer(await parts.ask(request, "CalibrateLibrary", message))

    @api.get(path, **document(answer=Calibration))
    async def get_calibration(request: Request, library: str) -> Response:
        """Reads the calibration of a library."""
        refuse_others(request)
        name = f"libraries/{library}/calibration"
        message = calibration_pb2.GetCalibrationRequest(name=name)
        return answer(await parts.ask(request, "GetCalibration", message))

    @api.patch(path, **document(_UPDATE, body=Calibration, answer=Calibration))
    async def update_calibration(request: Request, library: str) -> Response:
        """Changes `operatingPoint` and `normalization`: those in the mask, or in the body."""
        message = _UPDATE.read(request, calibration_pb2.UpdateCalibrationRequest())
        await parse_change(request, message.calibration, message.update_mask)
        message.calibration.name = f"libraries/{library}/calibration"
        if not message.update_mask.paths:
            read = calibration_pb2.GetCalibrationRequest(name=message.calibration.name)
            return answer(await parts.ask(request, "GetCalibration", read))
        return answer(await parts.ask(request, "UpdateCalibration", message))

    @api.delete(path, **document(answer=Empty))
    async def delete_calibration(request: Request, library: str) -> Response:
        """Deletes the calibration. Then the default threshold decides."""
        refuse_others(request)
        name = f"libraries/{library}/calibration"
        message = calibration_pb2.DeleteCalibrationRequest(name=name)
        return answer(await parts.ask(request, "DeleteCalibration", message))

    return api
