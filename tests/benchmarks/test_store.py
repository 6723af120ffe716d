"""The stores that the benchmark fills once: each run finds them as they were filled."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tools.benchmarks.clustered import clustered, nearest, recall
from tools.benchmarks.experiment.search import asking
from tools.benchmarks.experiment.settings import K, Settings
from tools.benchmarks.experiment.store import Kept, Store
from tools.servers.debian import require
from tools.servers.milvus_server import install

ROWS = 21_000
"""Just enough for HNSW."""

SETTINGS = Settings.chosen(ROWS, "servers", quick=False)


@pytest.mark.server
@pytest.mark.timeout(900)
def test_a_filled_library_is_taken_up_without_what_a_step_added(tmp_path: Path) -> None:
    """Ids and neighbors are those of the first run, after a restart of all servers."""
    require({"mariadbd": "mariadb-server"})
    install()
    queries = clustered(50, seed=99)
    exact = nearest(clustered(ROWS, seed=0), queries, K)
    ids = []
    with closing(Store(tmp_path, SETTINGS, None)) as store:
        for _ in range(2):
            with store.filled(ROWS) as filled:
                ids.append(filled.ids)
                assert filled.index_type().startswith("HNSW")
                assert filled.vectors() == ROWS
                assert filled.stack.servers
                client = filled.stack.servers.client()
                ask = asking(client, filled.collection, "COSINE", {"ef": 512}, filled.row_of())
                assert recall(ask(queries), exact, K) > 0.99
                loaded = client.list_loaded_segments(filled.collection_name())
                assert sum(each.num_rows for each in loaded) == ROWS, "no row is written again"
                filled.rates(100)
                assert filled.vectors() == ROWS + 100
    assert ids[0] == ids[1]


def test_parts_are_filled_once_and_changes_of_a_copy_are_dropped(tmp_path: Path) -> None:
    """A part sees those before it."""
    Kept(tmp_path / "store", {"format": 1}).fill("one", lambda folder: write(folder, "one"))
    kept = Kept(tmp_path / "store", {"format": 1})
    kept.fill("one", lambda _folder: pytest.fail("filled before"))
    with kept.copied() as folder:
        write(folder, "added")
        (folder / "one").unlink()
    kept.fill("two", lambda folder: write(folder, (folder / "one").read_text() + " and two"))
    with kept.copied() as folder:
        found = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(found) == {"one", "one and two", "note.json"}


def test_a_part_that_failed_leaves_the_others(tmp_path: Path) -> None:
    """It is filled again, and nothing of the failed one is there."""
    kept = Kept(tmp_path / "store", {})
    kept.fill("one", lambda folder: write(folder, "one"))

    def fail(folder: Path) -> None:
        write(folder, "half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        kept.fill("two", fail)
    with kept.copied() as folder:
        assert {path.name for path in folder.iterdir()} == {"one", "note.json"}
    kept.fill("two", lambda folder: write(folder, "two"))


def test_files_of_another_version_are_removed(tmp_path: Path) -> None:
    """They are filled anew."""
    Kept(tmp_path / "store", {"format": 1}).fill("one", lambda folder: write(folder, "one"))
    with Kept(tmp_path / "store", {"format": 2}).copied() as folder:
        assert list(folder.iterdir()) == []


def test_one_run_at_a_time_uses_a_folder(tmp_path: Path) -> None:
    """Another one is told so."""
    with (
        closing(Store(tmp_path, SETTINGS, None)),
        pytest.raises(SystemExit, match="another run uses"),
    ):
        Store(tmp_path, SETTINGS, None)
    Store(tmp_path, SETTINGS, None).close()


def write(folder: Path, name: str) -> None:
    """Writes a file that holds its name."""
    (folder / name).write_text(name)
