"""Calibrations of libraries: kept whole, one for each, and only for the library's model."""

from __future__ import annotations

import asyncio

import pytest
from audiosearch.catalog.v1 import calibration_pb2 as cal
from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.catalog.v1.library_pb2 import Library
from google.protobuf.timestamp_pb2 import Timestamp

from serving.errors import Reason
from tools.servers.catalog import MODEL, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def fitted(library: Library, **fields: object) -> Calibration:
    """A calibration with something in every kind of field."""
    rates = cal.OperatingRates(log_likelihood_ratio=4.5, miss_rate=0.1, false_alarm_rate=1e-3)
    values = {
        "name": f"{library.name}/calibration",
        "model": MODEL,
        "operating_point": cal.OperatingPoint(max_false_alarm_rate=0.001),
        "normalization": cal.NORMALIZATION_AS_NORM,
        "cosine": cal.ScoreCalibration(slope=20.5, intercept=-7, rates=[rates], threshold=rates),
        "cohort": cal.Cohort(clips=[cal.CohortClip(clip_id="x", speaker="刀")], top_count=100),
        "speaker_count": 40,
        "clip_count": 400,
    }
    return Calibration(**{**values, **fields})


async def put(catalog: Catalog, calibration: Calibration) -> Calibration:
    """Stores a calibration."""
    return await catalog.stubs.calibrations.PutCalibration(
        cal.PutCalibrationRequest(calibration=calibration)
    )


async def get(catalog: Catalog, library: Library) -> Calibration:
    """Reads a calibration."""
    return await catalog.stubs.calibrations.GetCalibration(
        cal.GetCalibrationRequest(name=f"{library.name}/calibration")
    )


def untimed(calibration: Calibration) -> Calibration:
    """The calibration without its times."""
    copy = Calibration()
    copy.CopyFrom(calibration)
    copy.ClearField("create_time")
    copy.ClearField("update_time")
    return copy


async def test_a_calibration_is_kept_as_it_is(catalog: Catalog) -> None:
    """Every field; the catalog says when, for that library alone."""
    library, other = await catalog.library(), await catalog.library()
    new = fitted(library)
    stored = await put(catalog, new)
    assert untimed(stored) == new
    assert stored.create_time == stored.update_time != Timestamp()
    assert await get(catalog, library) == stored
    name = f"{other.name}/calibration"
    async with refused(Reason.CALIBRATION_NOT_FOUND, calibration=name):
        await get(catalog, other)


async def test_one_takes_the_place_of_the_one_before(catalog: Catalog) -> None:
    """The new one replaces the old as a whole. A change of one part keeps the time of the fit."""
    library = await catalog.library()
    first = await put(catalog, fitted(library))
    changed = await put(
        catalog, Calibration(name=first.name, model=MODEL, create_time=first.create_time)
    )
    assert untimed(changed) == Calibration(name=first.name, model=MODEL)
    assert changed.create_time == first.create_time
    assert changed.update_time.ToNanoseconds() > first.update_time.ToNanoseconds()
    long_ago = Timestamp(seconds=5)
    told = fitted(library, create_time=long_ago, update_time=long_ago, clip_count=7)
    again = await put(catalog, told)
    assert (again.create_time, again.clip_count) == (long_ago, 7)
    assert again.update_time.ToNanoseconds() > changed.update_time.ToNanoseconds()
    refitted = await put(catalog, fitted(library))
    assert refitted.create_time == refitted.update_time
    assert await get(catalog, library) == refitted


async def test_who_changes_one_undoes_no_other(catalog: Catalog) -> None:
    """It says which it has read; another one there, or none, is a conflict, and stays."""
    library = await catalog.library()
    read = await put(catalog, fitted(library))

    def change() -> cal.PutCalibrationRequest:
        return cal.PutCalibrationRequest(
            calibration=fitted(library, clip_count=5), replaces=read.update_time
        )

    refitted = await put(catalog, fitted(library, clip_count=4))
    async with refused(Reason.STATE_CONFLICT, calibration=read.name):
        await catalog.stubs.calibrations.PutCalibration(change())
    assert await get(catalog, library) == refitted
    read = refitted
    assert (await catalog.stubs.calibrations.PutCalibration(change())).clip_count == 5
    read = await get(catalog, library)
    await catalog.stubs.calibrations.DeleteCalibration(cal.DeleteCalibrationRequest(name=read.name))
    async with refused(Reason.STATE_CONFLICT, calibration=read.name):
        await catalog.stubs.calibrations.PutCalibration(change())


async def test_the_last_of_many_stays(catalog: Catalog) -> None:
    """Eight first ones at once, with and without deletions between them: none fails."""
    library = await catalog.library()
    gone = cal.DeleteCalibrationRequest(name=f"{library.name}/calibration")
    await asyncio.gather(*(put(catalog, fitted(library, clip_count=n)) for n in range(8)))
    assert 0 <= (await get(catalog, library)).clip_count < 8
    await asyncio.gather(
        *(put(catalog, fitted(library, clip_count=n)) for n in range(8)),
        *(catalog.stubs.calibrations.DeleteCalibration(gone) for _ in range(4)),
    )
    kept = await put(catalog, fitted(library, clip_count=9))
    assert await get(catalog, library) == kept


async def test_it_is_for_the_librarys_model(catalog: Catalog) -> None:
    """Scores of another model differ in meaning. The stored calibration stays."""
    library = await catalog.library()
    before = await put(catalog, fitted(library))
    async with refused(Reason.MODEL_MISMATCH, library=library.name, model=MODEL) as errors:
        await put(catalog, fitted(library, model="models/other-0123456789ab"))
    assert "models/other-0123456789ab" in errors[0].message
    assert await get(catalog, library) == before


async def test_removing_one_can_be_repeated(catalog: Catalog) -> None:
    """One that is not there is removed with success."""
    library = await catalog.library()
    stored = await put(catalog, fitted(library))
    for _ in range(2):
        await catalog.stubs.calibrations.DeleteCalibration(
            cal.DeleteCalibrationRequest(name=stored.name)
        )
        async with refused(Reason.CALIBRATION_NOT_FOUND, calibration=stored.name):
            await get(catalog, library)


async def test_a_calibration_needs_an_active_library(catalog: Catalog) -> None:
    """It goes with the library, and is not in the next one of the name."""
    nowhere = Library(name="libraries/nowhere")
    for call in (
        get(catalog, nowhere),
        put(catalog, fitted(nowhere)),
        catalog.stubs.calibrations.DeleteCalibration(
            cal.DeleteCalibrationRequest(name="libraries/nowhere/calibration")
        ),
    ):
        async with refused(Reason.LIBRARY_NOT_FOUND, library=nowhere.name):
            await call
    creation = library_pb2.CreateLibraryRequest(
        library_id="calibrated", library=Library(model=MODEL)
    )
    library = await catalog.stubs.libraries.CreateLibrary(creation)
    async with refused(Reason.STATE_CONFLICT, library=library.name, state="CREATING"):
        await put(catalog, fitted(library))
    await catalog.stubs.libraries.ActivateLibrary(
        library_pb2.ActivateLibraryRequest(name=library.name)
    )
    await put(catalog, fitted(library))
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name)
    )
    async with refused(Reason.STATE_CONFLICT, library=library.name, state="DELETING"):
        await put(catalog, fitted(library))
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=library.name))
    async with refused(Reason.CALIBRATION_NOT_FOUND):
        await get(catalog, await catalog.stubs.libraries.CreateLibrary(creation))


async def test_the_largest_is_kept_and_a_larger_one_refused(catalog: Catalog) -> None:
    """1 MiB, more than MySQL's BLOB holds; the largest cohort with the longest names fits in."""
    library = await catalog.library()
    cohort = [cal.CohortClip(clip_id=f"{n:026}", speaker="🔪" * 255) for n in range(800)]
    largest = fitted(library, cohort=cal.Cohort(clips=cohort))
    assert untimed(await put(catalog, largest)) == largest
    filled = largest.cohort.clips.add(speaker="x" * 100_000)
    filled.speaker += "x" * (2**20 - largest.ByteSize())
    assert largest.ByteSize() == 2**20
    await put(catalog, largest)
    assert untimed(await get(catalog, library)) == largest
    filled.speaker += "x"
    async with refused(Reason.FIELD_INVALID, field="calibration", value="1048577 bytes"):
        await put(catalog, largest)


@pytest.mark.parametrize(
    "name", ["", "x", "libraries/a", "libraries//calibration", "libraries/a/calibrations", "a\n"]
)
async def test_names_of_no_calibration(catalog: Catalog, name: str) -> None:
    """Refused wherever one is taken."""
    async with refused(Reason.FIELD_INVALID, field="name"):
        await catalog.stubs.calibrations.GetCalibration(cal.GetCalibrationRequest(name=name))
    async with refused(Reason.FIELD_INVALID, field="name"):
        await catalog.stubs.calibrations.DeleteCalibration(cal.DeleteCalibrationRequest(name=name))
    async with refused(Reason.FIELD_INVALID, field="calibration.name"):
        await put(catalog, Calibration(name=name, model=MODEL))


async def test_what_is_no_model_or_no_time_is_refused(catalog: Catalog) -> None:
    """Before anything is looked at."""
    library = await catalog.library()
    for fields, field in (
        ({"model": ""}, "calibration.model"),
        ({"model": "models/../x"}, "calibration.model"),
        ({"create_time": Timestamp(seconds=2**62)}, "calibration.create_time"),
    ):
        async with refused(Reason.FIELD_INVALID, field=field):
            await put(catalog, fitted(library, **fields))
