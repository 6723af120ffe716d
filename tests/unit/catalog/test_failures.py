"""The typed errors of what a database's driver raises."""

from __future__ import annotations

import pytest
from pymysql import err
from sqlalchemy import exc

from catalog_service.database.failures import translate
from serving.errors import Reason, ServiceError


@pytest.mark.parametrize(
    "told",
    [
        err.OperationalError(1021, "Disk full (/tmp/#sql); waiting for someone to free some space"),
        err.OperationalError(1114, "The table 'clips' is full"),
        err.OperationalError(1030, 'Got error 28 "No space left on device" from storage engine'),
        err.InternalError(3, 'Error writing file (errno: 28 "No space left on device")'),
        err.InternalError(1026, "Error writing file './x' (Errcode: 122 - Disk quota exceeded)"),
    ],
)
def test_a_server_whose_disk_is_full(told: Exception) -> None:
    """Each way to say it is STORAGE_FULL."""
    error = translate(exc.DBAPIError("INSERT", {}, told), 5)
    assert isinstance(error, ServiceError)
    assert error.reason is Reason.STORAGE_FULL


def test_another_error_of_a_server() -> None:
    """A number that only contains that of a full disk means something else."""
    told = err.OperationalError(1290, "The server runs with --read-only (errno: 280)")
    error = translate(exc.DBAPIError("INSERT", {}, told), 5)
    assert isinstance(error, ServiceError)
    assert error.reason is Reason.CATALOG_UNAVAILABLE
