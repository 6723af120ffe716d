"""The report of `audiosearch import` at its end."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch_client.corpora.survey import told_kinds
from audiosearch_client.uploading import Uploader
from google.protobuf.json_format import MessageToDict

from audiosearch_cli.channels import say_counts
from audiosearch_cli.output import say
from audiosearch_cli.rate import span
from serving.errors import Reason, ServiceError


def print_json(job: ImportJob, uploader: Uploader | None, indent: int | None = 2) -> None:
    """Prints the job as JSON, with what only the uploads of the command line know."""
    told = MessageToDict(job, always_print_fields_with_no_presence=True)
    told.setdefault("progress", {})["labelled"] = str(uploader.labelled if uploader else 0)
    if uploader:
        told["duplicates"] = [each._asdict() for each in uploader.duplicates]
    sys.stdout.write(json.dumps(told, indent=indent, ensure_ascii=False) + "\n")


def summarise(
    job: ImportJob,
    uploader: Uploader | None,
    library: str,
    seconds: float,
    whole: Path | None,
) -> None:
    """Prints the counts and the first failures for people.

    Args:
        job: of the import, at its end.
        uploader: what uploaded the files; None if the server read them itself.
        library: the library that the clips are in.
        seconds: duration of the import.
        whole: file with all failures, if there is one.

    Raises:
        ServiceError: STATE_CONFLICT if the import was cancelled.
    """
    state = job.progress
    told = f"{state.existing} there already"
    if uploader and (labelled := uploader.labelled):
        told += f", {labelled} of them labelled now"
    say(
        f"{state.imported} imported into {library}, {told}, {state.failed} failed, "
        f"in {span(seconds)}"
    )
    if uploader:
        for same in uploader.duplicates:
            say(f"  {same.path} is the same audio as {same.of}")
        if more := uploader.duplicate_count - len(uploader.duplicates):
            say(f"  and {more:,} more duplicates")
    tell_details(job)
    if state.failed > len(job.failures):
        listed = f"audiosearch clip list --library {library} --state failed"
        if not state.imported + state.existing:  # a library without clips is not kept
            listed = "the same command with --from client --failures FILE lists all"
        where = whole or listed
        say(f"  and {state.failed - len(job.failures)} more: {where}")
    if job.state == ImportJob.STATE_CANCELLED:
        raise ServiceError(Reason.STATE_CONFLICT, "the import was cancelled")


def tell_details(job: ImportJob) -> None:
    """Prints the files passed over, the remarks and the first failures."""
    if passed := told_kinds(job.progress.passed_over):
        say(passed)
    say_counts(job.progress.remarks)
    for same in job.duplicates:
        say(f"  {same.path} is the same audio as {same.of}")
    for failure in job.failures:
        say(f"  {failure.path}: {failure.failure.reason}: {failure.failure.message}")


def nothing_imported(job: ImportJob) -> ServiceError:
    """The error of an import of which every file failed, for the reason that most of them had."""
    reasons = Counter(failure.failure.reason for failure in job.failures)
    most = next((name for name, _ in reasons.most_common()), "")
    first = next((each for each in job.failures if each.failure.reason == most), None)
    why = f"; {first.path}: {first.failure.message}" if first else ""
    return ServiceError(Reason.named(most) or Reason.INTERNAL, f"no file could be imported{why}")
