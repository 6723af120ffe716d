"""The contracts of the services that the catalog offers."""

from __future__ import annotations

from audiosearch.catalog.v1 import (
    backup_service_pb2,
    backup_service_pb2_grpc,
    calibration_service_pb2,
    calibration_service_pb2_grpc,
    clip_service_pb2,
    clip_service_pb2_grpc,
    import_job_service_pb2,
    import_job_service_pb2_grpc,
    library_service_pb2,
    library_service_pb2_grpc,
    query_service_pb2,
    query_service_pb2_grpc,
    speaker_service_pb2,
    speaker_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
    vector_service_pb2,
    vector_service_pb2_grpc,
)

from serving.contracts import Contract

LIBRARIES = Contract(library_service_pb2, library_service_pb2_grpc)
CLIPS = Contract(clip_service_pb2, clip_service_pb2_grpc)
VECTORS = Contract(vector_service_pb2, vector_service_pb2_grpc)
SPEAKERS = Contract(speaker_service_pb2, speaker_service_pb2_grpc)
QUERIES = Contract(query_service_pb2, query_service_pb2_grpc)
CALIBRATIONS = Contract(calibration_service_pb2, calibration_service_pb2_grpc)
IMPORT_JOBS = Contract(import_job_service_pb2, import_job_service_pb2_grpc)
STORE = Contract(store_service_pb2, store_service_pb2_grpc)
BACKUPS = Contract(backup_service_pb2, backup_service_pb2_grpc)
