"""Starts that can't succeed: they end at once, with one sentence that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from audiosearch.catalog.v1.library_pb2 import (
    BeginLibraryDeletionRequest,
    DeleteLibraryRequest,
)
from sqlalchemy import text

from catalog_service.database.engines import backend
from catalog_service.database.migrate import migrate
from catalog_service.settings import CatalogSettings
from tests.conformance.catalog.conftest import settings_for
from tools.servers.catalog import Program, environment, serving
from tools.servers.disk import disk, read_only
from tools.servers.mysql_server import MysqlServer

LIMIT = 60


def ends(settings: CatalogSettings, **variables: str) -> str:
    """Starts the service, which has to end by itself. Returns its sentence."""
    told = subprocess.run(
        [sys.executable, "-m", "catalog_service"],
        timeout=LIMIT,
        env={**os.environ, **environment(settings), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    *log, sentence = told.stderr.splitlines()
    assert all(line.startswith("{") for line in log)
    return sentence


def sqlite(folder: Path) -> CatalogSettings:
    """Settings of a service with SQLite."""
    return CatalogSettings(
        port=0, data_dir=folder, drain_seconds=0, grace_seconds=0, mysql_host=None
    )


async def test_a_catalog_that_is_no_database(tmp_path: Path) -> None:
    """Garbage is told, and left as it is."""
    settings = sqlite(tmp_path)
    settings.database_folder.mkdir()
    file = settings.database_folder / "catalog.sqlite3"
    file.write_bytes(b"garbage " * 1000)
    assert "is no database that SQLite can read: restore it" in ends(settings)
    assert file.read_bytes() == b"garbage " * 1000


async def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    """The setting is named."""
    (tmp_path / "file").touch()
    assert "AUDIOSEARCH_DATA_DIR" in ends(sqlite(tmp_path / "file"))


async def test_a_read_only_data_folder(tmp_path: Path) -> None:
    """Also when it holds a catalog."""
    with disk(tmp_path / "small", "48m") as folder:
        settings = sqlite(folder / "data")
        async with serving(settings) as catalog:
            await catalog.clip(await catalog.library())
        with read_only(folder):
            assert "can't write to" in ends(settings)
            elsewhere = ends(settings, UPLOAD_PATH=str(tmp_path / "audio"))
            assert "AUDIOSEARCH_DATA_DIR" in elsewhere
        async with serving(settings) as catalog:
            await catalog.library()


async def test_a_schema_of_a_newer_version(settings: CatalogSettings) -> None:
    """The catalog stays as it is."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    sentence = ends(settings)
    assert "a newer version of Audiosearch" in sentence
    assert "9999" in sentence
    with engine.connect() as connection:
        version = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    assert version == "9999"


@pytest.mark.server
async def test_a_newer_schema_on_a_server_that_comes_later(
    mysql: MysqlServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The service waits for the server, and ends when it sees the schema."""
    settings = settings_for("mysql", tmp_path, request)
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    mysql.stop()
    try:
        program = Program(settings)
    finally:
        mysql.start()
    assert program.process.wait(LIMIT) == 1
    assert program.process.stderr
    *log, sentence = program.process.stderr.read().splitlines()
    assert all(line.startswith("{") for line in log)
    assert "a newer version of Audiosearch" in sentence


async def test_a_lost_catalog_beside_audio(tmp_path: Path) -> None:
    """Neither a missing nor an empty file begins anew by itself; the operator can say so."""
    settings = sqlite(tmp_path)
    async with serving(settings) as catalog:
        library = await catalog.library()
        await catalog.clip(library)
        kept = catalog.files()
    copy = tmp_path / "copy"
    shutil.move(settings.database_folder, copy)
    assert "restore the catalog from a copy" in ends(settings)
    assert not (settings.database_folder / "catalog.sqlite3").exists()
    settings.database_folder.mkdir(exist_ok=True)
    (settings.database_folder / "catalog.sqlite3").touch()
    assert "has the audio of 1" in ends(settings)
    async with serving(settings.model_copy(update={"start_empty": True})) as catalog:
        await catalog.library()
        assert catalog.files() == kept
    shutil.rmtree(settings.database_folder)
    shutil.move(copy, settings.database_folder)
    async with serving(settings) as catalog:
        assert (await catalog.stubs.libraries.GetLibrary(library)).clip_count == 1


async def test_a_catalog_whose_libraries_are_deleted(tmp_path: Path) -> None:
    """It is not lost: the audio went with them."""
    settings = sqlite(tmp_path)
    async with serving(settings) as catalog:
        library = await catalog.library()
        await catalog.clip(library)
        await catalog.stubs.libraries.BeginLibraryDeletion(
            BeginLibraryDeletionRequest(name=library.name, force=True)
        )
        await catalog.stubs.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))
    async with serving(settings):
        pass
