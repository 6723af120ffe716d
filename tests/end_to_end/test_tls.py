"""TLS between the services and to the gateway, and what the logs never show."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import library_pb2
from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch_client.client import AudiosearchClient

from deploy.local_stack import SERVICES
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.tls.files import Tls
from tests.certificates import Authority, variables
from tests.end_to_end.command_line import AUDIOSEARCH, run
from tests.end_to_end.guarded import Guarded
from tests.end_to_end.test_services import module
from tools.servers.catalog_stubs import CatalogStubs
from tools.servers.ports import free_ports


def test_a_search_over_keys_and_tls(guarded: Guarded, sounds: Path) -> None:
    """Through all four services, with a key that may read."""
    with guarded.client("reader") as client:
        answer = client.search("open", sounds / "bronze_bell_1.wav")
        assert answer.matches[0].clip.display_name == "bronze_bell_1.wav"
        assert client.embed(sounds / "bronze_bell_1.wav").embedding.values


@pytest.mark.parametrize("service", SERVICES[:3])
def test_the_services_behind_take_calls_of_their_own_kind_only(
    guarded: Guarded, service: str, tmp_path: Path
) -> None:
    """Without a certificate of their authority no client gets around the keys."""
    target = guarded.stack.addresses.target(service)
    strangers = [
        Tls(),
        Tls(ca=guarded.authority.ca),
        replace(Authority(tmp_path).issue("x"), ca=guarded.authority.ca),
    ]
    for files in strangers:
        with files.connect(target) as channel, pytest.raises(grpc.RpcError) as raised:
            CatalogStubs(channel).libraries.ListLibraries(
                library_pb2.ListLibrariesRequest(), timeout=9
            )
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    with guarded.authority.issue("friend").connect(target) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            CatalogStubs(channel).libraries.GetLibrary(library_pb2.GetLibraryRequest(), timeout=9)
        assert raised.value.code() is not grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("trusts", ["another", "nobody"])
async def test_a_gateway_that_trusts_somebody_else_says_which_service_is_gone(
    guarded: Guarded, tmp_path: Path, trusts: str
) -> None:
    """The reason of that service to users; the handshake to the operator, in health's log line."""
    ports = guarded.stack.addresses.target
    files = replace(guarded.authority.issue("gateway"), ca=Authority(tmp_path).ca)
    files = files if trusts == "another" else Tls()
    settings = GatewaySettings(
        **{f"{service}_target": ports(service) for service in SERVICES[:3]},
        tls_cert=files.cert,
        tls_key=files.key,
        tls_ca=files.ca,
    )
    upstream = Upstream(settings)
    try:
        with pytest.raises(ServiceError) as raised:
            await upstream.libraries.ListLibraries(library_pb2.ListLibrariesRequest())
        assert raised.value.reason is Reason.CATALOG_UNAVAILABLE
        with pytest.raises(ServiceError) as raised:
            await upstream.embedding.ListModels(ListModelsRequest())
        assert raised.value.reason is Reason.EMBEDDING_UNAVAILABLE
        with pytest.raises(ServiceError, match="does not answer") as raised:
            await upstream.check()
        assert trusts == "nobody" or "CERTIFICATE_VERIFY_FAILED" in raised.value.message
    finally:
        await upstream.close()


def test_a_client_is_told_what_to_do_about_tls(guarded: Guarded, tmp_path: Path) -> None:
    """No authority named, another one, or a file that is none."""
    with AudiosearchClient(guarded.stack.target) as client:
        with pytest.raises(ServiceError, match="AUDIOSEARCH_TLS_CA") as raised:
            client.call(client.stubs.models.ListModels, ListModelsRequest())
        assert raised.value.reason is Reason.GATEWAY_UNAVAILABLE
    with AudiosearchClient(guarded.stack.target, ca=Authority(tmp_path).ca) as client:
        with pytest.raises(ServiceError, match="not trusted") as raised:
            client.call(client.stubs.models.ListModels, ListModelsRequest())
        assert raised.value.reason is Reason.GATEWAY_UNAVAILABLE
    with pytest.raises(ValueError, match="AUDIOSEARCH_TLS_CA"):
        AudiosearchClient(guarded.stack.target, ca=tmp_path / "gone")
    with pytest.raises(ValueError, match="characters"):
        AudiosearchClient(guarded.stack.target, key="two lines\n")


def test_the_command_line_takes_key_and_authority(guarded: Guarded, tmp_path: Path) -> None:
    """The key from the environment or a file, never from an argument."""
    at = {"AUDIOSEARCH_TARGET": guarded.stack.target}
    ca = ("--ca", guarded.authority.ca)
    said = run("library", "list", *ca, code=1, **at).stderr
    assert "KEY_MISSING" in said
    assert "AUDIOSEARCH_API_KEY" in said
    file = tmp_path / "key"
    file.write_text(guarded.keys["reader"] + "\n")
    for setting in (
        {"AUDIOSEARCH_API_KEY": guarded.keys["reader"]},
        {"AUDIOSEARCH_API_KEY_FILE": str(file)},
    ):
        (library,) = json.loads(run("library", "list", "--json", *ca, **at, **setting).stdout)[
            "libraries"
        ]
        assert library["name"] == "libraries/open"
    setting["AUDIOSEARCH_TLS_CA"] = str(guarded.authority.ca)
    denied = run("library", "delete", "open", code=1, **at, **setting).stderr
    assert "RIGHT_MISSING" in denied
    run("library", "list", code=1, **at, AUDIOSEARCH_API_KEY_FILE=str(tmp_path / "gone"))
    run("library", "list", "--ca", tmp_path / "gone", code=2, **at)


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    """The key is printed once, alone. The list shows no usable key."""
    file = {"AUDIOSEARCH_KEYRING": str(tmp_path / "made" / "keys")}
    made = run("key", "create", "phone", "--read", "a", "--write", "b", "--write", "c", **file)
    token = made.stdout.strip()
    assert token.startswith("audiosearch_")
    second = json.loads(run("key", "create", "all", "--manage", "*", "--json", **file).stdout)
    assert second["grants"] == {"*": "manage"}
    listed = run("key", "list", **file).stdout
    assert "read a, write b, write c" in listed
    shown = json.loads(run("key", "list", "--json", **file).stdout)
    assert [key["name"] for key in shown] == ["phone", "all"]
    for text in (listed, json.dumps(shown)):
        assert token.split("_", 2)[2] not in text
    assert "is revoked" in run("key", "revoke", second["id"], **file).stdout
    gone = run("key", "revoke", second["id"], code=2, **file).stderr
    assert "has no key" in gone
    assert "audiosearch key list" in gone
    assert second["id"] not in run("key", "list", **file).stdout
    run("key", "create", "none", code=2, **file)
    run("key", "create", "x" * 64, "--read", "a", code=2, **file)
    run("key", "create", "bad", "--read", "not/a/library", code=2, **file)
    assert "No such file" in run("key", "list", "--file", tmp_path / "gone", code=1).stderr


def test_serve_goes_beyond_this_machine_with_keys_and_tls_only_for_the_gateway(
    tmp_path: Path, sounds: Path
) -> None:
    """The services behind stay on loopback; paths may be relative to where the user is."""
    authority = Authority(tmp_path / "tls")
    key = run("key", "create", "all", "--manage", "*", "--file", tmp_path / "keys").stdout.strip()
    files = {**variables(replace(authority.issue("gateway"), ca=None))}
    settings = {name: os.path.relpath(path, tmp_path) for name, path in files.items()}
    server = subprocess.Popen(
        [AUDIOSEARCH, "serve", "--host", "0.0.0.0", "--port", "0", "--json", "--data-dir", "data"],
        env={
            **os.environ,
            **settings,
            "AUDIOSEARCH_KEYRING": "keys",
            "AUDIOSEARCH_OFFLINE": "1",
            "PPSPEECH_HOME": str(tmp_path / "no-cache"),
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        target = json.loads(server.stdout.readline())["target"]
        with AudiosearchClient(target, key=key, ca=authority.ca) as client:
            client.call(
                client.stubs.libraries.CreateLibrary,
                library_pb2.CreateLibraryRequest(library_id="a"),
            )
            client.upload("a", sounds / "bronze_bell_1.wav")
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, 1)


def test_a_gateway_for_other_machines_does_not_start_without_keys() -> None:
    """It names the variable and what to do."""
    done = module("gateway", AUDIOSEARCH_HOST="0.0.0.0", AUDIOSEARCH_GATEWAY_PORT="0")
    assert done.returncode == 2
    assert "AUDIOSEARCH_KEYRING" in done.stderr
    assert "audiosearch key create" in done.stderr


def parsed(line: str) -> dict[str, str]:
    """A line of a log; empty where four processes wrote into each other's lines."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def test_no_log_of_any_service_shows_a_key(guarded: Guarded, sounds: Path) -> None:
    """At level debug, after calls that went well, were refused and failed."""
    with guarded.client("writer") as client:
        client.upload("open", sounds / "bronze_bell_2.wav")
        with pytest.raises(ServiceError):
            client.upload("closed", sounds / "bronze_bell_2.wav")
        with pytest.raises(ServiceError):
            client.search("open", guarded.log)
    text = guarded.log.read_text(errors="replace")
    lines = list(filter(None, map(parsed, text.splitlines())))
    assert {line["service"] for line in lines} == set(SERVICES)
    assert {"debug", "info"} <= {line["level"] for line in lines}
    assert any(line.get("key") for line in lines), "who called is logged by the id of the key"
    for token in guarded.keys.values():
        assert token not in text
        assert token.split("_", 2)[2] not in text
    assert "PRIVATE KEY" not in text


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("catalog_service", {"MYSQL_HOST": "127.0.0.1", "MYSQL_USER": "x", "MYSQL_PWD": "hunter2"}),
        ("index_service", {"MILVUS_HOST": "127.0.0.1", "MILVUS_TOKEN": "hunter2"}),
        (
            "index_service",
            {"MILVUS_HOST": "127.0.0.1", "MILVUS_USER": "x", "MILVUS_PASSWORD": "hunter2"},
        ),
    ],
)
def test_no_log_shows_a_password_when_the_store_is_gone(
    name: str, settings: dict[str, str], tmp_path: Path
) -> None:
    """At level debug, while it tries again and again to log in."""
    (port,) = free_ports(1)
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", name],
            env={
                **os.environ,
                **settings,
                "MYSQL_PORT": str(port),
                "MILVUS_PORT": str(port),
                "AUDIOSEARCH_LOG_LEVEL": "debug",
                "AUDIOSEARCH_DATA_DIR": str(tmp_path),
                "AUDIOSEARCH_INDEX_PORT": "0",
                "AUDIOSEARCH_CATALOG_PORT": "0",
            },
            stdout=file,
            stderr=file,
        )
    end = time.monotonic() + 20
    while log.read_bytes().count(b"\n") < 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(2)
    process.kill()
    process.wait()
    assert log.read_bytes()
    for secret in (b"hunter2", b"x:hunter2"):
        assert secret not in log.read_bytes()
        assert base64.b64encode(secret) not in log.read_bytes()  # as Milvus' client sends it
