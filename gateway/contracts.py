"""The contracts of the services that the gateway offers."""

from __future__ import annotations

from audiosearch.gateway.v1 import (
    calibration_service_pb2,
    calibration_service_pb2_grpc,
    clip_service_pb2,
    clip_service_pb2_grpc,
    library_service_pb2,
    library_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
    search_service_pb2,
    search_service_pb2_grpc,
    speaker_service_pb2,
    speaker_service_pb2_grpc,
    status_service_pb2,
    status_service_pb2_grpc,
)
from google.longrunning import operations_pb2, operations_pb2_grpc

from serving.contracts import Contract

LIBRARIES = Contract(library_service_pb2, library_service_pb2_grpc)
CLIPS = Contract(clip_service_pb2, clip_service_pb2_grpc)
SEARCH = Contract(search_service_pb2, search_service_pb2_grpc)
SPEAKERS = Contract(speaker_service_pb2, speaker_service_pb2_grpc)
CALIBRATIONS = Contract(calibration_service_pb2, calibration_service_pb2_grpc)
MODELS = Contract(model_service_pb2, model_service_pb2_grpc)
STATUS = Contract(status_service_pb2, status_service_pb2_grpc)
OPERATIONS = Contract(operations_pb2, operations_pb2_grpc)
