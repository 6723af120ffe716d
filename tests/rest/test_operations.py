"""Imports over REST: started, watched, cancelled, forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from serving.errors import Reason
from tests.rest.answers import events, refused
from tests.rest.conftest import Rest
from tests.rest.sounds import wav


def start_import(rest: Rest, library: str, folder: Path, **body: str) -> Any:
    """Starts an import."""
    return rest.http.post(
        f"/v1/libraries/{library}/clips:import", json={"folder": str(folder), **body}
    )


def watch(rest: Rest, operation: str) -> list[dict[str, Any]]:
    """All that is told of an operation until it is done."""
    with rest.http.stream("GET", f"/v1/{operation}:watch") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = list(events(answer.iter_lines()))
    assert {kind for kind, _ in found} == {"operation"}
    return [data for _, data in found]


def test_an_import_is_watched_to_its_end(rest: Rest, library: str) -> None:
    """Progress only grows; failed files are named with their reasons; labels are given."""
    folder = rest.folder()
    for variant in range(6):
        (folder / f"{variant}.wav").write_bytes(wav("voice_low", variant))
    shutil.copy(folder / "0.wav", folder / "copy.wav")
    (folder / "bad.wav").write_bytes(b"no audio")
    started = start_import(rest, library, folder, label="low", requestId="r-1")
    assert started.status_code == 200, started.text
    operation = started.json()
    assert operation["name"].startswith("operations/")
    told = watch(rest, operation["name"])
    done = [
        sum(int(each["metadata"]["progress"][k]) for k in ("imported", "existing", "failed"))
        for each in told
    ]
    assert done == sorted(done)
    last = told[-1]
    assert last["done"] is True
    job = last["response"]
    assert job["@type"] == "type.googleapis.com/audiosearch.catalog.v1.ImportJob"
    assert {k: job["progress"][k] for k in ("total", "imported", "existing", "failed")} == {
        "total": "8",
        "imported": "6",
        "existing": "1",
        "failed": "1",
    }
    (failure,) = job["failures"]
    assert (failure["path"], failure["failure"]["reason"]) == ("bad.wav", "AUDIO_UNDECODABLE")
    (same,) = job["duplicates"]
    assert {same["path"], same["of"]} == {"0.wav", "copy.wav"}
    assert rest.http.get(f"/v1/{same['clip']}").json()["source"] == same["of"]
    assert rest.http.get(f"/v1/{operation['name']}").json() == last
    listed = rest.http.get("/v1/operations", params={"name": f"libraries/{library}"}).json()
    assert [each["name"] for each in listed["operations"]] == [operation["name"]]
    again = start_import(rest, library, folder, label="low", requestId="r-1").json()
    assert again["name"] == operation["name"]
    clips = rest.http.get(f"/v1/libraries/{library}/clips").json()["clips"]
    assert {clip["label"] for clip in clips} == {"low"}
    assert rest.http.delete(f"/v1/{operation['name']}").status_code == 200
    refused(rest.http.get(f"/v1/{operation['name']}"), 404, Reason.IMPORT_JOB_NOT_FOUND)
    refused(rest.http.get(f"/v1/{operation['name']}:watch"), 404, Reason.IMPORT_JOB_NOT_FOUND)


def test_an_import_can_be_cancelled(rest: Rest, library: str) -> None:
    """It ends with the error CANCELLED; what is in stays."""
    folder = rest.folder()
    for variant in range(200):
        (folder / f"{variant}.wav").write_bytes(wav("voice_low", variant))
    operation = start_import(rest, library, folder).json()
    assert rest.http.post(f"/v1/{operation['name']}:cancel").status_code == 200
    last = watch(rest, operation["name"])[-1]
    assert last["done"] is True
    assert last["error"]["code"] == 1
    assert int(last["metadata"]["progress"]["imported"]) < 200


@pytest.mark.parametrize(
    ("folder", "status", "reason"),
    [
        ("/etc", 403, Reason.PATH_NOT_ALLOWED),
        ("relative", 400, Reason.FIELD_INVALID),
        ("", 400, Reason.FIELD_INVALID),
        ("{imports}/absent", 404, Reason.PATH_NOT_FOUND),
        ("{imports}/../..", 403, Reason.PATH_NOT_ALLOWED),
    ],
)
def test_folders_that_may_not_be_read_are_refused(
    rest: Rest, library: str, folder: str, status: int, reason: Reason
) -> None:
    """As by gRPC."""
    path = Path(folder.format(imports=rest.running.imports)) if folder else ""
    refused(start_import(rest, library, path), status, reason)  # type: ignore[arg-type]


def test_the_path_decides_the_library(rest: Rest, library: str) -> None:
    """A parent in the body can't lead elsewhere."""
    folder = rest.folder()
    (folder / "bell.wav").write_bytes(wav())
    operation = start_import(rest, library, folder, parent="libraries/other").json()
    last = watch(rest, operation["name"])[-1]
    assert last["metadata"]["library"] == f"libraries/{library}"
