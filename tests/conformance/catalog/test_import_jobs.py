"""Import jobs: one worker at a time, progress that outlives it, an end that stays."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from audiosearch.catalog.v1 import import_job_pb2
from audiosearch.catalog.v1.clip_pb2 import Failure
from audiosearch.catalog.v1.import_job_pb2 import (
    FileDuplicate,
    FileFailure,
    ImportJob,
    ImportProgress,
)
from google.protobuf.duration_pb2 import Duration

from catalog_service.imports import jobs as jobs_of_catalog
from serving.errors import Reason
from tools.servers.catalog import Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")
LEASE = 3
"""Seconds of a lease that is to run out: a busy machine makes a few calls within them."""


async def claim(catalog: Catalog, worker: str, seconds: float = 30) -> ImportJob | None:
    """Claims a job; None when none waits."""
    answer = await catalog.stubs.import_jobs.ClaimImportJob(
        import_job_pb2.ClaimImportJobRequest(
            worker=worker, lease=Duration(nanos=0, seconds=int(seconds))
        )
    )
    return answer.import_job if answer.HasField("import_job") else None


async def report(catalog: Catalog, name: str, worker: str, **fields: object) -> ImportJob:
    """Writes progress."""
    return await catalog.stubs.import_jobs.ReportImportProgress(
        import_job_pb2.ReportImportProgressRequest(name=name, worker=worker, **fields)
    )


async def finish(
    catalog: Catalog, name: str, state: ImportJob.State.ValueType, failure: Failure | None = None
) -> ImportJob:
    """Ends a job."""
    return await catalog.stubs.import_jobs.FinishImportJob(
        import_job_pb2.FinishImportJobRequest(name=name, state=state, failure=failure)
    )


async def cancel(catalog: Catalog, name: str) -> ImportJob:
    """Asks for a job to be cancelled."""
    return await catalog.stubs.import_jobs.CancelImportJob(
        import_job_pb2.CancelImportJobRequest(name=name)
    )


async def clear(catalog: Catalog) -> None:
    """Ends all jobs that other tests left."""
    running = await catalog.stubs.import_jobs.ListImportJobs(
        import_job_pb2.ListImportJobsRequest(state=ImportJob.STATE_RUNNING, page_size=1000)
    )
    for job in running.import_jobs:
        await finish(catalog, job.name, ImportJob.STATE_CANCELLED)


async def test_a_job_from_asking_to_its_end(catalog: Catalog) -> None:
    """A job is made, claimed, reported and finished. Its end is final, and then it can go."""
    await clear(catalog)
    library = await catalog.library()
    job = await catalog.job(library, label="knife", channel=2)
    assert (job.library, job.folder, job.label) == (library.name, "/sounds", "knife")
    assert job.channel == 2
    assert job.state == ImportJob.STATE_RUNNING
    claimed = await claim(catalog, "w")
    assert claimed is not None
    assert claimed.name == job.name
    progress = ImportProgress(total=100, imported=40, existing=5, failed=25, cursor="a/\n'ü.wav")
    progress.passed_over.update({".txt": 7, "hidden": 2})
    progress.remarks["AUDIO_REMARK_CUT_OFF"] = 3
    failures = [
        FileFailure(path=f"{n}.wav", failure=Failure(reason="AUDIO_SILENT", message="m"))
        for n in range(25)
    ]
    same = [FileDuplicate(path=f"{n} 2.wav", of=f"{n}.wav", clip="c") for n in range(25)]
    reported = await report(
        catalog, job.name, "w", progress=progress, failures=failures, duplicates=same
    )
    assert reported.progress == progress
    assert list(reported.failures) == failures[:20]
    assert list(reported.duplicates) == same[:20]
    over = await finish(catalog, job.name, ImportJob.STATE_SUCCEEDED)
    assert over.state == ImportJob.STATE_SUCCEEDED
    assert over.progress == progress
    failure = Failure(reason="PATH_NOT_FOUND", message="gone")
    assert await finish(catalog, job.name, ImportJob.STATE_FAILED, failure) == over
    assert await cancel(catalog, job.name) == over
    assert (
        await catalog.stubs.import_jobs.GetImportJob(
            import_job_pb2.GetImportJobRequest(name=job.name)
        )
        == over
    )
    for _ in range(2):
        await catalog.stubs.import_jobs.DeleteImportJob(
            import_job_pb2.DeleteImportJobRequest(name=job.name)
        )
    async with refused(Reason.IMPORT_JOB_NOT_FOUND, import_job=job.name):
        await catalog.stubs.import_jobs.GetImportJob(
            import_job_pb2.GetImportJobRequest(name=job.name)
        )


async def test_a_job_that_failed_says_why(catalog: Catalog) -> None:
    """A reason is needed; a message of any length and with any characters is taken, shortened."""
    job = await catalog.job(await catalog.library())
    async with refused(Reason.FIELD_INVALID, field="failure.reason"):
        await finish(catalog, job.name, ImportJob.STATE_FAILED)
    failed = await finish(
        catalog,
        job.name,
        ImportJob.STATE_FAILED,
        Failure(reason="PATH_NOT_FOUND", message="\0\n" + "x" * 5000),
    )
    assert failed.failure.reason == "PATH_NOT_FOUND"
    assert failed.failure.message == "  " + "x" * 1021
    for state in (ImportJob.STATE_RUNNING, ImportJob.STATE_UNSPECIFIED, 77):
        async with refused(Reason.FIELD_INVALID, field="state"):
            await finish(catalog, job.name, state)


async def test_one_worker_has_a_job(catalog: Catalog) -> None:
    """Twelve claim five jobs at once: each job goes to one of them, the oldest first."""
    await clear(catalog)
    library = await catalog.library()
    jobs = [await catalog.job(library) for _ in range(5)]
    claims = await asyncio.gather(*(claim(catalog, f"w{n}") for n in range(12)))
    names = [job.name for job in claims if job is not None]
    assert sorted(names) == sorted(job.name for job in jobs)
    assert await claim(catalog, "late") is None
    waiting = [await catalog.job(library) for _ in range(2)]
    first = await claim(catalog, "w")
    assert first is not None
    assert first.name == waiting[0].name


async def test_a_lease_that_ran_out_lets_another_worker_in(catalog: Catalog) -> None:
    """The new one goes on where the old one was; the old one is told to stop."""
    await clear(catalog)
    job = await catalog.job(await catalog.library())
    await claim(catalog, "old", LEASE)
    await report(
        catalog,
        job.name,
        "old",
        lease=Duration(seconds=LEASE),
        progress=ImportProgress(total=3, imported=1, cursor="1.wav"),
    )
    assert await claim(catalog, "new") is None
    await asyncio.sleep(LEASE + 0.1)
    again = await claim(catalog, "new")
    assert again is not None
    assert again.progress.cursor == "1.wav"
    async with refused(Reason.STATE_CONFLICT, import_job=job.name):
        await report(catalog, job.name, "old", progress=ImportProgress())
    await report(catalog, job.name, "new", progress=ImportProgress())


async def test_cancelling(catalog: Catalog) -> None:
    """A job without a worker ends at once, else its worker is told. No other continues it."""
    await clear(catalog)
    library = await catalog.library()
    idle = await catalog.job(library)
    cancelled = await cancel(catalog, idle.name)
    assert cancelled.state == ImportJob.STATE_CANCELLED
    assert await cancel(catalog, idle.name) == cancelled
    busy = await catalog.job(library)
    await claim(catalog, "w", LEASE)
    for _ in range(2):
        asked = await cancel(catalog, busy.name)
        assert (asked.state, asked.cancel_requested) == (ImportJob.STATE_RUNNING, True)
    told = await report(
        catalog, busy.name, "w", progress=ImportProgress(), lease=Duration(seconds=LEASE)
    )
    assert told.cancel_requested
    async with refused(Reason.STATE_CONFLICT, state="RUNNING"):
        await catalog.stubs.import_jobs.DeleteImportJob(
            import_job_pb2.DeleteImportJobRequest(name=busy.name)
        )
    await asyncio.sleep(LEASE + 0.1)
    assert await claim(catalog, "x") is None
    over = await catalog.stubs.import_jobs.GetImportJob(
        import_job_pb2.GetImportJobRequest(name=busy.name)
    )
    assert over.state == ImportJob.STATE_CANCELLED
    async with refused(Reason.STATE_CONFLICT):
        await report(catalog, busy.name, "w", progress=ImportProgress())


async def test_the_same_request_answers_the_same_job(catalog: Catalog) -> None:
    """Also when the requests come together, and after the job is over."""
    library = await catalog.library()

    async def create() -> ImportJob:
        return await catalog.stubs.import_jobs.CreateImportJob(
            import_job_pb2.CreateImportJobRequest(
                import_job=ImportJob(library=library.name, folder="/x"), request_id="once"
            )
        )

    jobs = await asyncio.gather(*(create() for _ in range(8)))
    assert len({job.name for job in jobs}) == 1
    over = await finish(catalog, jobs[0].name, ImportJob.STATE_CANCELLED)
    assert await create() == over


async def test_a_request_id_belongs_to_its_library_and_import(catalog: Catalog) -> None:
    """Another library has it for itself; another folder, label or channel is refused."""
    libraries = [await catalog.library() for _ in range(2)]

    async def create(number: int, **fields: Any) -> ImportJob:
        job = ImportJob(**{"library": libraries[number].name, "folder": "/x", **fields})
        request = import_job_pb2.CreateImportJobRequest(import_job=job, request_id="mine")
        return await catalog.stubs.import_jobs.CreateImportJob(request)

    first, second = await create(0), await create(1)
    assert first.name != second.name
    assert (first.library, second.library) == tuple(library.name for library in libraries)
    for other in ({"folder": "/y"}, {"label": "z"}, {"channel": 2}):
        async with refused(Reason.FIELD_INVALID, field="request_id"):
            await create(0, **other)
    assert await create(0) == first


async def test_jobs_are_listed_newest_first(catalog: Catalog) -> None:
    """Of a library, of a state, or all, by pages."""
    library, other = await catalog.library(), await catalog.library()
    jobs = [await catalog.job(library) for _ in range(5)]
    strange = await catalog.job(other)
    await finish(catalog, jobs[1].name, ImportJob.STATE_SUCCEEDED)

    async def listed(**fields: object) -> list[str]:
        found, token = [], ""
        while True:
            answer = await catalog.stubs.import_jobs.ListImportJobs(
                import_job_pb2.ListImportJobsRequest(page_size=2, page_token=token, **fields)
            )
            found += [job.name for job in answer.import_jobs]
            token = answer.next_page_token
            if not token:
                return found

    names = [job.name for job in reversed(jobs)]
    assert await listed(library=library.name) == names
    assert await listed(library=library.name, state=ImportJob.STATE_SUCCEEDED) == [jobs[1].name]
    assert (await listed())[:6] == [strange.name, *names]
    assert jobs[1].name not in await listed(state=ImportJob.STATE_RUNNING)


async def test_a_job_that_is_not_there(catalog: Catalog) -> None:
    """Every call that needs it names it."""
    name = "importJobs/nothing"
    for call in (
        lambda: catalog.stubs.import_jobs.GetImportJob(
            import_job_pb2.GetImportJobRequest(name=name)
        ),
        lambda: report(catalog, name, "w", progress=ImportProgress()),
        lambda: finish(catalog, name, ImportJob.STATE_SUCCEEDED),
        lambda: cancel(catalog, name),
    ):
        async with refused(Reason.IMPORT_JOB_NOT_FOUND, import_job=name):
            await call()
    await catalog.stubs.import_jobs.DeleteImportJob(
        import_job_pb2.DeleteImportJobRequest(name=name)
    )


async def test_leases_and_counts_have_limits(catalog: Catalog) -> None:
    """A lease is 1 s to 10 min, a worker has a name, and no count is negative."""
    job = await catalog.job(await catalog.library())
    for lease in (
        Duration(),
        Duration(nanos=999_999_999),
        Duration(seconds=601),
        Duration(seconds=-5),
    ):
        async with refused(Reason.FIELD_INVALID, field="lease"):
            await catalog.stubs.import_jobs.ClaimImportJob(
                import_job_pb2.ClaimImportJobRequest(worker="w", lease=lease)
            )
    for worker in ("", "w" * 65):
        async with refused(Reason.FIELD_INVALID, field="worker"):
            await catalog.stubs.import_jobs.ClaimImportJob(
                import_job_pb2.ClaimImportJobRequest(worker=worker)
            )
    for field in ("total", "imported", "existing", "failed"):
        async with refused(Reason.FIELD_INVALID, field=f"progress.{field}"):
            await report(catalog, job.name, "w", progress=ImportProgress(**{field: -1}))


@pytest.mark.parametrize("field", ["passed_over", "remarks"])
async def test_counts_by_kind_are_bounded(catalog: Catalog, field: str) -> None:
    """Too many are cut, for progress must be told; a count below zero is none."""
    await clear(catalog)
    job = await catalog.job(await catalog.library())
    await claim(catalog, "w")
    many = {f".{number}{'x' * 99}": number for number in range(50)}
    reported = await report(catalog, job.name, "w", progress=ImportProgress(**{field: many}))
    kept = getattr(reported.progress, field)
    assert len(kept) == 20
    assert {len(kind) for kind in kept} == {63}
    wrong = ImportProgress(**{field: {".txt": -1}})
    async with refused(Reason.FIELD_INVALID, field=f"progress.{field}"):
        await report(catalog, job.name, "w", progress=wrong)


async def test_failures_are_bounded_in_bytes(catalog: Catalog) -> None:
    """Paths of 4,096 wide characters leave room for a few; the count of all stays."""
    await clear(catalog)
    job = await catalog.job(await catalog.library())
    await claim(catalog, "w")
    many = [
        FileFailure(path="\U0001f986" * 4096, failure=Failure(reason="AUDIO_SILENT", message="m"))
        for _ in range(20)
    ]
    reported = await report(
        catalog, job.name, "w", progress=ImportProgress(failed=20), failures=many
    )
    assert list(reported.failures) == many[: len(reported.failures)]
    assert 0 < len(reported.failures) < 5
    assert reported.progress.failed == 20


async def test_old_jobs_that_are_over_are_let_go(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library keeps its newest ones, and all that run; other libraries are left alone."""
    await clear(catalog)
    monkeypatch.setattr(jobs_of_catalog, "KEPT_JOBS", 3)
    library, other = await catalog.library(), await catalog.library()
    strange = await catalog.job(other)
    await finish(catalog, strange.name, ImportJob.STATE_CANCELLED)
    running = await catalog.job(library)
    over = [await catalog.job(library) for _ in range(6)]
    for job in over:
        await finish(catalog, job.name, ImportJob.STATE_SUCCEEDED)
    last = await catalog.job(library)
    listed = await catalog.stubs.import_jobs.ListImportJobs(
        import_job_pb2.ListImportJobsRequest(library=library.name)
    )
    kept = [last, *reversed(over[-2:]), running]
    assert [job.name for job in listed.import_jobs] == [job.name for job in kept]
    request = import_job_pb2.GetImportJobRequest(name=strange.name)
    assert (await catalog.stubs.import_jobs.GetImportJob(request)).library == other.name
    await clear(catalog)
