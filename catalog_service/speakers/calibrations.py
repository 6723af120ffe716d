"""Stores calibrations, which give the scores of voices a meaning. A library has at most one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.schema import calibrations
from catalog_service.database.states import LibraryState
from catalog_service.libraries import rows as library_rows
from catalog_service.names import calibration_name, library_name
from serving.errors import Reason, ServiceError

_ALL = select(calibrations.c.content, calibrations.c.create_time, calibrations.c.update_time)


class StoredCalibration(NamedTuple):
    """A serialized Calibration without name and times, and its times."""

    content: bytes
    create_time: datetime
    update_time: datetime


class Calibrations:
    """The calibrations of all libraries."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database

    async def get(self, library: str) -> StoredCalibration:
        """Reads the calibration of a library.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, CALIBRATION_NOT_FOUND.
        """

        def read(connection: Connection) -> StoredCalibration:
            uid = library_rows.get(connection, library).uid
            found = connection.execute(_ALL.where(calibrations.c.library_uid == uid)).one_or_none()
            if found is None:
                raise _not_found(library)
            return StoredCalibration._make(found)

        return await self._database.read(read)

    async def put(
        self,
        library: str,
        model: str,
        content: bytes,
        create_time: datetime | None,
        replaces: datetime | None,
    ) -> StoredCalibration:
        """Stores a calibration in the place of the earlier one.

        Args:
            library: Id of the library.
            model: Name of the model whose scores are calibrated.
            content: The serialized Calibration.
            create_time: Time of creation; None for now.
            replaces: Update time of the calibration to replace; None for any or none.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE, or its
                calibration has another time than `replaces`), MODEL_MISMATCH.
        """
        time = now()
        new = StoredCalibration(content, create_time or time, time)

        def store(connection: Connection) -> StoredCalibration:
            # Locked, so that two calls at the same time can't both find none to replace.
            parent = library_rows.get(connection, library, lock=True)
            library_rows.require_state(parent, LibraryState.ACTIVE)
            _require_model(library, parent.model, model)
            its = calibrations.c.library_uid == parent.uid
            there = connection.scalar(select(calibrations.c.update_time).where(its))
            if replaces not in {None, there}:
                raise _changed(library)
            replaced = connection.execute(update(calibrations).where(its).values(**new._asdict()))
            if not replaced.rowcount:
                connection.execute(
                    insert(calibrations).values(library_uid=parent.uid, **new._asdict())
                )
            return new

        return await self._database.grow(store)

    async def delete(self, library: str) -> None:
        """Removes the calibration of a library. A missing calibration is no error.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND.
        """

        def remove(connection: Connection) -> None:
            uid = library_rows.get(connection, library).uid
            connection.execute(delete(calibrations).where(calibrations.c.library_uid == uid))

        await self._database.free(remove)


def _require_model(library: str, needed: str, given: str) -> None:
    if given != needed:
        name = library_name(library)
        raise ServiceError(
            Reason.MODEL_MISMATCH,
            f"{name} is of {needed}, and this calibration is for scores of {given}; fit it anew",
            {"library": name, "model": needed},
        )


def _changed(library: str) -> ServiceError:
    name = calibration_name(library)
    return ServiceError(
        Reason.STATE_CONFLICT,
        f"{name} was changed or removed meanwhile; read it and try again",
        {"calibration": name},
    )


def _not_found(library: str) -> ServiceError:
    name = calibration_name(library)
    return ServiceError(
        Reason.CALIBRATION_NOT_FOUND,
        f"{name} is not there; fit it from clips whose speakers are known",
        {"calibration": name},
    )
