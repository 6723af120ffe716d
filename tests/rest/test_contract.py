"""The OpenAPI document is true: requests made from it are answered as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.rest.conftest import Rest
from tests.rest.sounds import wav

EXAMPLES = 3
"""Random requests of each kind to each route, beside those that try out each limit."""

CONFIG = Path(__file__).parent / "schemathesis.toml"


@pytest.fixture(scope="module")
def document(rest: Rest) -> Any:
    """The OpenAPI document, as it is served."""
    answer = rest.http.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def test_everything_is_told_in_words(document: Any) -> None:
    """Each route has a summary and a text, each parameter and field a comment of its contract."""
    silent = []
    routes = [
        (f"{method} {path}", route)
        for path, methods in document["paths"].items()
        for method, route in methods.items()
        if path.startswith("/v1/")
    ]
    for name, route in routes:
        silent += [] if route["summary"] and route["description"] else [name]
        told = [it for it in route.get("parameters", []) if it["in"] != "header"]
        silent += [f"{name} {it['name']}" for it in told if not it.get("description")]
    for name, schema in document["components"]["schemas"].items():
        told = [schema, *schema.get("properties", {}).values()]
        if name.startswith("audiosearch."):
            silent += [f"{name} {at}" for at, it in enumerate(told) if "description" not in it]
    assert not silent
    clips = document["paths"]["/v1/libraries/{library}/clips"]["get"]
    assert clips["summary"] == "Lists clips in the order asked for, else the oldest first"
    assert "Reasons: LIBRARY_NOT_FOUND" in clips["description"]
    (order,) = (it for it in clips["parameters"] if it["name"] == "orderBy")
    assert order["description"].startswith("The order: `display_name`")
    assert order["schema"]["examples"] == ["duration desc"]


def explore(rest: Rest, config: Path, folder: Path, *options: str) -> str:
    """Lets schemathesis test the server by its document. Returns its output."""
    program = Path(sys.executable).with_name("schemathesis")
    asked = subprocess.run(
        [
            program,
            f"--config-file={config}",
            "run",
            f"{rest.stack.web}openapi.json",
            f"--max-examples={EXAMPLES}",
            "--phases=coverage,fuzzing",
            "--seed=1",
            "--generation-database=none",
            "--request-timeout=30",
            "--continue-on-failure",
            "--no-color",
            *options,
        ],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    told = asked.stdout + asked.stderr
    assert asked.returncode == 0, told[-20_000:]
    return told


@pytest.mark.parametrize(
    "routes", ["^/v1/.*speaker|calibrat", "^/v1/(?!.*(speaker|calibrat))", "^/(?!v1/)"]
)
def test_nothing_is_found_where_things_are_there(rest: Rest, tmp_path: Path, routes: str) -> None:
    """Good and bad requests to a library, a clip, a speaker and an import that exist.

    None of them is removed.
    """
    library = rest.library()
    clip = [rest.upload(library, wav("voice_low", number)) for number in range(3)][-1]["name"]
    enrolled = {"clips": [clip]}
    speaker = f"/v1/libraries/{library}/speakers/low"
    assert rest.http.post(f"{speaker}:enroll", json=enrolled).status_code == 200
    imported = rest.http.post(
        f"/v1/libraries/{library}/clips:import", json={"folder": str(rest.folder())}
    )
    names = {
        "path.library": library,
        "path.speaker": "low",
        "path.clip": clip.rpartition("/")[2],
        "path.operation": imported.json()["name"].rpartition("/")[2],
        "path.model": "default",
        "query.audio_path": clip,
        "query.table_name": library,
    }
    lines = [f'"{name}" = "{value}"\n' for name, value in names.items()]
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.read_text() + "\n[parameters]\n" + "".join(lines))
    drops = ("/audio/drop", "/vpr/drop", "/vpr/del")
    only = f"--include-path-regex={routes}"
    kept = (only, "--exclude-method=DELETE", *(f"--exclude-path={path}" for path in drops))
    assert " passed" in explore(rest, config, tmp_path, *kept)
    assert rest.http.get(f"/v1/{clip}").status_code == 200
    assert rest.http.get(speaker).status_code == 200


def test_nothing_is_found_where_nothing_is_there(rest: Rest, tmp_path: Path) -> None:
    """Requests that remove, and that name what is missing."""
    only = (
        "--include-path-regex=^/v1/(operations|models)|/audio/(drop|count)|/vpr/|/progress|/data",
    )
    removing = ("--include-method=DELETE",)
    for options in (only, removing):
        assert " passed" in explore(rest, CONFIG, tmp_path, *options)


def test_every_route_is_documented(document: Any) -> None:
    """With a summary, an answer, an error and its parameters."""
    assert "/v1/libraries/{library}/clips:search" in document["paths"]
    assert "/audio/load" in document["paths"]
    assert "/v1/libraries/{library}/speakers/{speaker}:enroll" in document["paths"]
    assert "/vpr/enroll" in document["paths"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            told = f"{method} {path}"
            assert operation.get("summary"), told
            assert operation["operationId"], told
            assert {"200", "default"} <= operation["responses"].keys(), told
            assert set(re.findall(r"{(\w+)}", path)) == {
                each["name"] for each in operation.get("parameters", []) if each["in"] == "path"
            }, told


def test_the_documentation_asks_nobody_else(rest: Rest) -> None:
    """No address of another server in the page, and a policy that forbids it."""
    page = rest.http.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    sources = re.findall(r"(?:src|href)\s*=\s*[\"']?([^\"' >]+)", page.text)
    assert sources
    for source in sources:
        if not source.startswith(("data:", "#")):
            address = httpx.URL(rest.stack.web).join(source)
            assert str(address).startswith(rest.stack.web), source
            assert rest.http.get(address).status_code == 200, source
    assert "default-src 'none'" in page.headers["content-security-policy"]
