"""`audiosearch serve` on data that it can't use: it ends with a sentence and does not try again."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.command_line import run
from tools.servers.disk import disk, read_only


def test_a_catalog_that_is_no_database(tmp_path: Path) -> None:
    """Also when a power cut left garbage in its place."""
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "catalog.sqlite3").write_bytes(b"\xff" * 10_000)
    told = run("serve", "--data-dir", tmp_path, "--port", 0, code=1, AUDIOSEARCH_OFFLINE="1")
    assert told.stderr.count("is no database that SQLite can read") == 1
    assert "the catalog service ended with code 1" in told.stderr


def test_a_data_folder_that_is_read_only(tmp_path: Path) -> None:
    """Nothing is started."""
    with disk(tmp_path / "small", "1m") as folder, read_only(folder):
        told = run("serve", "--data-dir", folder, "--port", 0, code=1)
    assert "can't write to the data folder" in told.stderr
    assert "make it writable or choose another one" in told.stderr
    assert len(told.stderr.splitlines()) <= 2
