"""Records the statements of a catalog service, and reads the plans of its database for them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from audiosearch.catalog.v1 import calibration_pb2 as cal
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2, library_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, ClipFilter
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.embedding.v1.embedding_pb2 import WindowRule
from audiosearch.filter.v1.filter_pb2 import Condition
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection, Engine, event

from tools.servers.catalog import MODEL, Catalog

LATER = Timestamp(seconds=4_000_000_000)
LONG = Condition(field="duration", range=Condition.Range(minimum=0))
COUNTED = ("label", "source", "metadata.k")
"""Fields whose values are counted."""

SPEAKER_LISTS = (
    {},
    {"update_time_before": LATER},
    *(
        {"state": state, **before}
        for state in (Speaker.STATE_CREATING, Speaker.STATE_ACTIVE)
        for before in ({}, {"update_time_before": LATER})
    ),
)
"""Fields of requests for all kinds of lists of speakers."""

_TABLES = "clips|libraries|import_jobs|speakers|calibrations"
_KIND = re.compile(rf"\s*(SELECT|UPDATE|DELETE)\b.*\b({_TABLES})\b", re.DOTALL)


def filters(parent: str) -> dict[str, ClipFilter]:
    """Returns filters for all kinds of lists of clips of a library, by name."""
    return {
        "state": ClipFilter(),
        "state FAILED": ClipFilter(state=Clip.STATE_FAILED),
        "label": ClipFilter(label="l1"),
        "speaker": ClipFilter(speaker="s1"),
        "label, speaker": ClipFilter(label="l1", speaker="s1"),
        "display name": ClipFilter(display_name_prefix="clip1"),
        "display name, label": ClipFilter(display_name_prefix="clip1", label="l1"),
        "enrolled speaker": ClipFilter(enrolled_speaker=f"{parent}/speakers/s1"),
        "enrolled speaker, DELETING, label": ClipFilter(
            state=Clip.STATE_DELETING, enrolled_speaker=f"{parent}/speakers/s1", label="l1"
        ),
        "import job": ClipFilter(import_job="importJobs/01arz3ndektsv4rrffq69g5fa1"),
        "made from": ClipFilter(create_time_from=Timestamp(seconds=1)),
        "made before": ClipFilter(create_time_before=LATER),
        "made between, speaker": ClipFilter(
            speaker="s1", create_time_from=Timestamp(seconds=1), create_time_before=LATER
        ),
        "changed before": ClipFilter(update_time_before=LATER),
        "changed before, label": ClipFilter(update_time_before=LATER, label="l1"),
        "duration": ClipFilter(conditions=[LONG]),
        "display name, duration": ClipFilter(display_name_prefix="clip1", conditions=[LONG]),
        "changed before, duration": ClipFilter(update_time_before=LATER, conditions=[LONG]),
        "one of two labels": ClipFilter(
            conditions=[Condition(field="label", any_of=Condition.Values(values=["l1", "l2"]))]
        ),
        "one label": ClipFilter(
            conditions=[Condition(field="label", any_of=Condition.Values(values=["l1"])), LONG]
        ),
        "no label, part of a name, metadata": ClipFilter(
            conditions=[
                Condition(field="label", none_of=Condition.Values(values=["l1"])),
                Condition(field="display_name", contains="LIP1"),
                Condition(field="metadata.k", none_of=Condition.Values(values=["v"])),
            ]
        ),
        "CREATING, changed before": ClipFilter(state=Clip.STATE_CREATING, update_time_before=LATER),
    }


class Statement(NamedTuple):
    """A statement as the driver got it, with the parameters of its first run."""

    text: str
    parameters: Any


@contextlib.contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Collects the different statements on our tables that run in this process in the block."""
    found: dict[str, Statement] = {}

    def note(_c: Any, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        if _KIND.match(text) and text not in found:
            found[text] = Statement(text, parameters[0] if many else parameters)

    statements: list[Statement] = []
    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        statements += found.values()


def plan(connection: Connection, statement: Statement) -> list[str]:
    """Returns the lines of the database's plan."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters
        )
        return [row.detail for row in rows]
    rows = connection.exec_driver_sql(f"EXPLAIN {statement.text}", statement.parameters)
    return [f"{row.table or '-'}: {row.type} on {row.key}; {row.Extra}" for row in rows]


def flaw(line: str) -> bool:
    """Returns True if a line of a plan reads a whole table or index, or sorts rows."""
    return bool(
        re.search(
            r"SCAN (?!CONSTANT ROW)|TEMP B-TREE|: (ALL|index) on|on None; (?!.*const|No tables"
            r"|Impossible|no matching|Select tables)|filesort|temporary",
            line,
        )
    )


async def exercise(catalog: Catalog, library: Library) -> None:
    """Calls all RPCs on a library that has clips with label `l1` and speaker `s1`."""
    stubs, parent = catalog.stubs, library.name
    await read_all(catalog, parent)
    made = await stubs.clips.BatchCreateClips(
        clip_pb2.BatchCreateClipsRequest(
            parent=parent,
            requests=[
                clip_pb2.CreateClipRequest(
                    request_id=f"r{number}",
                    audio_object=AudioObject(sha256=f"{number:064}", size_bytes=5),
                )
                for number in range(2)
            ],
        )
    )
    first, second = (outcome.clip.name for outcome in made.outcomes)
    await catalog.put(first, b"12345")
    await catalog.activate(first)
    await stubs.clips.UpdateClip(clip_pb2.UpdateClipRequest(clip=Clip(name=first, label="x")))
    await catalog.fail(second)
    for name in (first, second):
        await catalog.begin_deletion(name)
        await stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=name))
    await jobs(catalog, library)
    await speakers(catalog, library)
    await calibrations(catalog, library)
    await migrations(catalog, library)
    await stubs.libraries.UpdateLibrary(
        library_pb2.UpdateLibraryRequest(library=Library(name=parent))
    )
    empty = await catalog.library()
    await catalog.speaker(empty, await catalog.clip(empty))
    await stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=empty.name, force=True)
    )
    await stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=empty.name))


async def read_all(catalog: Catalog, parent: str) -> None:
    """Reads two pages for every filter, and gets and looks up clips and libraries."""
    stubs, clips = catalog.stubs, []
    for which in filters(parent).values():
        request = clip_pb2.ListClipsRequest(parent=parent, page_size=2, filter=which)
        page = await stubs.clips.ListClips(request)
        if page.next_page_token:
            request.page_token = page.next_page_token
            await stubs.clips.ListClips(request)
        clips += page.clips
    for field in COUNTED:
        await stubs.clips.CountValues(clip_pb2.CountValuesRequest(parent=parent, field=field))
    await catalog.get(clips[0].name)
    ids = [clip.name.rpartition("/")[2] for clip in clips]
    await stubs.clips.LookupClips(clip_pb2.LookupClipsRequest(parent=parent, clip_ids=ids))
    await stubs.libraries.GetLibrary(library_pb2.GetLibraryRequest(name=parent))
    page = await stubs.libraries.ListLibraries(library_pb2.ListLibrariesRequest(page_size=1))
    await stubs.libraries.ListLibraries(
        library_pb2.ListLibrariesRequest(page_size=1, page_token=page.next_page_token)
    )


async def jobs(catalog: Catalog, library: Library) -> None:
    """Makes, runs and deletes an import job, and reads all lists of jobs."""
    stubs, name = catalog.stubs, library.name
    job = await stubs.import_jobs.CreateImportJob(
        import_job_pb2.CreateImportJobRequest(
            import_job=ImportJob(library=name, folder="/x"), request_id="r"
        )
    )
    await stubs.import_jobs.ClaimImportJob(import_job_pb2.ClaimImportJobRequest(worker="w"))
    await stubs.import_jobs.GetImportJob(import_job_pb2.GetImportJobRequest(name=job.name))
    for fields in (
        {},
        {"library": name},
        {"state": ImportJob.STATE_RUNNING},
        {"library": name, "state": ImportJob.STATE_RUNNING},
    ):
        await stubs.import_jobs.ListImportJobs(
            import_job_pb2.ListImportJobsRequest(page_size=5, **fields)
        )
    await stubs.import_jobs.CancelImportJob(import_job_pb2.CancelImportJobRequest(name=job.name))
    await stubs.import_jobs.FinishImportJob(
        import_job_pb2.FinishImportJobRequest(name=job.name, state=ImportJob.STATE_CANCELLED)
    )
    await stubs.import_jobs.DeleteImportJob(import_job_pb2.DeleteImportJobRequest(name=job.name))


async def migrations(catalog: Catalog, library: Library) -> None:
    """Begins, claims, reports and finishes a migration."""
    stubs, rule = catalog.stubs.libraries, WindowRule()
    for length, seconds in ((rule.window, 3), (rule.hop, 1), (rule.single, 3)):
        length.seconds = seconds
    began = await stubs.BeginMigration(
        library_pb2.BeginMigrationRequest(name=library.name, window_rule=rule)
    )
    whose: dict[str, Any] = {"worker": "w", "lease": Duration(seconds=9)}
    await stubs.ClaimMigration(library_pb2.ClaimMigrationRequest(**whose))
    await stubs.ReportMigration(
        library_pb2.ReportMigrationRequest(
            name=library.name, migration=library_pb2.Migration(), **whose
        )
    )
    await stubs.FinishMigration(
        library_pb2.FinishMigrationRequest(
            name=library.name, worker="w", generation=began.migration.generation
        )
    )


async def speakers(catalog: Catalog, library: Library) -> None:
    """Makes, changes and deletes speakers, and reads all lists of them."""
    stubs, parent = catalog.stubs, library.name
    for fields in SPEAKER_LISTS:
        request = spk.ListSpeakersRequest(parent=parent, page_size=2, **fields)
        page = await stubs.speakers.ListSpeakers(request)
        request.page_token = page.next_page_token
        await stubs.speakers.ListSpeakers(request)
    await stubs.speakers.LookupSpeakers(
        spk.LookupSpeakersRequest(parent=parent, uids=["x", "y"], speaker_ids=["s1", "s2"])
    )
    for delete_clips in (True, False):
        first, second = await catalog.clip(library), await catalog.clip(library)
        speaker = await stubs.speakers.CreateSpeaker(
            spk.CreateSpeakerRequest(parent=parent, speaker_id="new", request_id="r")
        )
        await catalog.enroll(speaker.name, first, second)
        await catalog.remove(speaker.name, second)
        await catalog.record(await catalog.enroll(speaker.name, second))
        await stubs.speakers.UpdateSpeaker(
            spk.UpdateSpeakerRequest(speaker=Speaker(name=speaker.name))
        )
        if not delete_clips:
            await catalog.begin_deletion(first.name)
        await stubs.speakers.BeginSpeakerDeletion(
            spk.BeginSpeakerDeletionRequest(name=speaker.name, delete_clips=delete_clips)
        )
        await stubs.speakers.DeleteSpeaker(spk.DeleteSpeakerRequest(name=speaker.name))


async def calibrations(catalog: Catalog, library: Library) -> None:
    """Makes, replaces, reads and deletes a calibration."""
    stubs, name = catalog.stubs, f"{library.name}/calibration"
    for _ in range(2):
        await stubs.calibrations.PutCalibration(
            cal.PutCalibrationRequest(calibration=cal.Calibration(name=name, model=MODEL))
        )
    await stubs.calibrations.GetCalibration(cal.GetCalibrationRequest(name=name))
    await stubs.calibrations.DeleteCalibration(cal.DeleteCalibrationRequest(name=name))
