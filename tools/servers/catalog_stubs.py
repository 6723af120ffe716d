"""The catalog's services, one stub for each, for tests and benchmarks that call it directly."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1.backup_service_pb2_grpc import BackupServiceStub
from audiosearch.catalog.v1.calibration_service_pb2_grpc import CalibrationServiceStub
from audiosearch.catalog.v1.clip_service_pb2_grpc import ClipServiceStub
from audiosearch.catalog.v1.import_job_service_pb2_grpc import ImportJobServiceStub
from audiosearch.catalog.v1.library_service_pb2_grpc import LibraryServiceStub
from audiosearch.catalog.v1.query_service_pb2_grpc import QueryServiceStub
from audiosearch.catalog.v1.speaker_service_pb2_grpc import SpeakerServiceStub
from audiosearch.catalog.v1.store_service_pb2_grpc import StoreServiceStub
from audiosearch.catalog.v1.vector_service_pb2_grpc import VectorServiceStub


class CatalogStubs:
    """The stubs of all services, on one channel."""

    def __init__(self, channel: Any) -> None:
        """Calls through `channel`, which may be blocking or not."""
        self.libraries = LibraryServiceStub(channel)
        self.clips = ClipServiceStub(channel)
        self.queries = QueryServiceStub(channel)
        self.speakers = SpeakerServiceStub(channel)
        self.calibrations = CalibrationServiceStub(channel)
        self.import_jobs = ImportJobServiceStub(channel)
        self.vectors = VectorServiceStub(channel)
        self.store = StoreServiceStub(channel)
        self.backups = BackupServiceStub(channel)
