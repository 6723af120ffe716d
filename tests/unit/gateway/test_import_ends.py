"""The closing error of an import: it has the reason of what ended it."""

from __future__ import annotations

from audiosearch.catalog.v1.clip_pb2 import Failure
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob
from audiosearch_cli.imports.report import nothing_imported
from google.rpc import code_pb2, error_details_pb2

from gateway.imports.operations import to_operation
from serving.errors import DOMAIN, Reason

NAMES = {"name": "importJobs/01abc", "library": "libraries/Ducks"}


def test_an_operation_has_the_reason_of_its_job() -> None:
    """As in the error of a call: a code, the message, and one ErrorInfo with the reason."""
    failure = Failure(reason="PATH_NOT_FOUND", message="/x is not a folder on the server")
    job = ImportJob(state=ImportJob.STATE_FAILED, failure=failure, **NAMES)
    operation = to_operation(job)
    assert operation.done
    assert operation.error.code == code_pb2.NOT_FOUND
    assert operation.error.message == failure.message
    info = error_details_pb2.ErrorInfo()
    (detail,) = operation.error.details
    assert detail.Unpack(info)
    assert (info.reason, info.domain) == ("PATH_NOT_FOUND", DOMAIN)
    assert info.metadata["library"] == "libraries/Ducks"


def test_an_import_of_bad_files_alone_ends_with_their_reason() -> None:
    """The reason that most have, with the first of these files."""
    reasons = ("AUDIO_UNDECODABLE", "AUDIO_SILENT", "AUDIO_SILENT")
    failures = [
        FileFailure(path=f"{number}.wav", failure=Failure(reason=reason, message=f"m{number}"))
        for number, reason in enumerate(reasons)
    ]
    error = nothing_imported(ImportJob(failures=failures, **NAMES))
    assert error.reason is Reason.AUDIO_SILENT
    assert error.message == "no file could be imported; 1.wav: m1"
