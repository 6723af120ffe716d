"""The gateway's services as gRPC declares them, one stub for each."""

from __future__ import annotations

import grpc
from audiosearch.gateway.v1.calibration_service_pb2_grpc import CalibrationServiceStub
from audiosearch.gateway.v1.clip_service_pb2_grpc import ClipServiceStub
from audiosearch.gateway.v1.library_service_pb2_grpc import LibraryServiceStub
from audiosearch.gateway.v1.model_service_pb2_grpc import ModelServiceStub
from audiosearch.gateway.v1.search_service_pb2_grpc import SearchServiceStub
from audiosearch.gateway.v1.speaker_service_pb2_grpc import SpeakerServiceStub
from audiosearch.gateway.v1.status_service_pb2_grpc import StatusServiceStub
from google.longrunning.operations_pb2_grpc import OperationsStub


class Stubs:
    """The stubs of all services, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Calls through `channel`."""
        self.libraries = LibraryServiceStub(channel)
        self.clips = ClipServiceStub(channel)
        self.search = SearchServiceStub(channel)
        self.speakers = SpeakerServiceStub(channel)
        self.calibrations = CalibrationServiceStub(channel)
        self.models = ModelServiceStub(channel)
        self.status = StatusServiceStub(channel)
        self.operations = OperationsStub(channel)
