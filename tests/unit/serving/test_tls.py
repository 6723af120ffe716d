"""TLS from files: what is refused at start, and who may talk to whom."""

from __future__ import annotations

import asyncio
import socketserver
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, clip_service_pb2, clip_service_pb2_grpc
from audiosearch.catalog.v1.clip_pb2 import Clip
from cryptography import x509

from serving.compat import timeout
from serving.contracts import Contract
from serving.errors import Reason
from serving.peers.peer import Peer
from serving.peers.stub import Limits, Stub
from serving.server import serve
from serving.settings import ServerSettings, load
from serving.tls import renewal
from serving.tls.files import Tls
from tests.certificates import Authority, variables

CLIPS = Contract(clip_service_pb2, clip_service_pb2_grpc)
NAME = clip_service_pb2.DESCRIPTOR.services_by_name["ClipService"].full_name


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Signs the certificates of a test."""
    return Authority(tmp_path / "ours")


CASES = {
    "no cert": ("AUDIOSEARCH_TLS_CERT", "No such"),
    "no key": ("AUDIOSEARCH_TLS_KEY", "No such"),
    "no ca": ("AUDIOSEARCH_TLS_CA", "No such"),
    "a folder": ("AUDIOSEARCH_TLS_CA", "directory"),
    "text as cert": ("AUDIOSEARCH_TLS_CERT", "no certificate in PEM"),
    "text as key": ("AUDIOSEARCH_TLS_KEY", "no private key in PEM"),
    "text as ca": ("AUDIOSEARCH_TLS_CA", "no certificate in PEM"),
    "expired": ("AUDIOSEARCH_TLS_CERT", "expired on 20"),
    "too early": ("AUDIOSEARCH_TLS_CERT", "not valid before"),
    "expired ca": ("AUDIOSEARCH_TLS_CA", "expired on 20"),
    "another key": ("AUDIOSEARCH_TLS_KEY", "not the key of the certificate"),
    "pass phrase": ("AUDIOSEARCH_TLS_KEY", "pass phrase"),
    "cert alone": ("AUDIOSEARCH_TLS_KEY", "go together"),
    "key alone": ("AUDIOSEARCH_TLS_CERT", "go together"),
    "ca alone": ("AUDIOSEARCH_TLS_CA", "set these too"),
}


def spoiled(case: str, authority: Authority, folder: Path) -> Tls:
    """Files that can't be used."""
    good, old, gone, text = authority.issue("good"), authority.issue("old", -1), *two(folder)
    return {
        "no cert": replace(good, cert=gone),
        "no key": replace(good, key=gone),
        "no ca": replace(good, ca=gone),
        "a folder": replace(good, ca=folder),
        "text as cert": replace(good, cert=text),
        "text as key": replace(good, key=text),
        "text as ca": replace(good, ca=text),
        "expired": old,
        "too early": authority.issue("new", 90),
        "expired ca": replace(good, ca=Authority(folder / "before", -1).ca),
        "another key": replace(good, key=old.key),
        "pass phrase": authority.issue("closed", password=b"open sesame"),
        "cert alone": Tls(cert=good.cert),
        "key alone": Tls(key=good.key),
        "ca alone": Tls(ca=good.ca),
    }[case]


def two(folder: Path) -> tuple[Path, Path]:
    """A file that is not there, and one of plain text."""
    (folder / "text").write_text("nothing in PEM")
    return folder / "gone", folder / "text"


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_cannot_be_used_stops_the_start(
    case: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line names the variable and says what is wrong."""
    variable, words = CASES[case]
    for name, value in variables(spoiled(case, authority, tmp_path)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["example"])
    with pytest.raises(SystemExit) as raised:
        load(ServerSettings, "example")
    assert raised.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert variable in line
    assert words in line


class Echo(clip_service_pb2_grpc.ClipServiceServicer):
    """Answers."""

    async def GetClip(self, request: clip_pb2.GetClipRequest, context: object) -> Clip:
        """With the name asked for."""
        return Clip(name=request.name)


@asynccontextmanager
async def served(tls: Tls) -> AsyncIterator[int]:
    """A server with these files; gives its port."""
    stop: asyncio.Event = asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def fine() -> None:
        pass

    settings = ServerSettings(drain_seconds=0, tls_cert=tls.cert, tls_key=tls.key, tls_ca=tls.ca)
    add = clip_service_pb2_grpc.add_ClipServiceServicer_to_server
    running = serve(settings, [NAME], lambda s: add(Echo(), s), fine, stop, port.set_result)
    task = asyncio.create_task(running)
    yield await port
    stop.set()
    await task


async def ask(channel: grpc.aio.Channel) -> str:
    """Returns the result of a call over the channel: the answer or the code."""
    async with channel:
        stub = clip_service_pb2_grpc.ClipServiceStub(channel)
        try:
            return str((await stub.GetClip(clip_pb2.GetClipRequest(name="x"), timeout=10)).name)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {error.details()}"


async def test_with_an_authority_only_those_it_vouches_for_get_through(
    authority: Authority, tmp_path: Path
) -> None:
    """Both sides check each other; everybody else is UNAVAILABLE to the other."""
    other = Authority(tmp_path / "other")
    async with served(authority.issue("server")) as port:
        target = f"localhost:{port}"
        assert await ask(authority.issue("client").open(target)) == "x"
        refused: list[Awaitable[str]] = [
            ask(Tls(ca=authority.ca).open(target)),  # shows nothing
            ask(replace(other.issue("stranger"), ca=authority.ca).open(target)),
            ask(replace(authority.issue("late", -1), ca=authority.ca).open(target)),
            ask(replace(authority.issue("trusting"), ca=other.ca).open(target)),
            ask(Tls().open(target)),  # speaks no TLS
        ]
        for answer in refused:
            assert (await answer).startswith("UNAVAILABLE")


async def test_a_certificate_is_for_its_name(authority: Authority) -> None:
    """Under another name it is not trusted, and the reason says so."""
    tls = authority.issue("named", hosts=(x509.DNSName("index.example"),))
    async with served(tls) as port:
        answer = await ask(tls.open(f"localhost:{port}"))
        assert answer.startswith("UNAVAILABLE")
        assert "Hostname" in answer


async def test_without_an_authority_everybody_may_call_over_tls(authority: Authority) -> None:
    """As users of a gateway do, whom keys tell apart."""
    async with served(replace(authority.issue("server"), ca=None)) as port:
        assert await ask(Tls(ca=authority.ca).open(f"localhost:{port}")) == "x"
        assert (await ask(Tls().open(f"localhost:{port}"))).startswith("UNAVAILABLE")


async def test_new_files_are_taken_without_a_restart(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a server, and by the channel to it. Files that don't belong together change nothing."""
    monkeypatch.setattr(renewal, "LOOK_SECONDS", 0.05)
    ours, later = authority.issue("server"), Authority(tmp_path / "later")
    new = later.issue("server")
    async with served(ours) as port:
        target = f"localhost:{port}"
        peer = Peer(ours.open(target), [CLIPS], Reason.CATALOG_UNAVAILABLE, 9)
        clips: Any = Stub(CLIPS, peer, Limits(10, 10, 10))
        following = asyncio.create_task(
            renewal.follow(ours, lambda: peer.renew(ours.open(target), 0))
        )
        first, known = peer.channel, authority.issue("client")
        replace_file(new.key, ours.key)
        assert await ask(known.open(target)) == "x"
        assert (await clips.GetClip(clip_pb2.GetClipRequest(name="before"))).name == "before"
        before = known.open(target)
        replace_file(new.cert, ours.cert)
        replace_file(new.ca, ours.ca)
        async with timeout(30):
            while await ask(later.issue("client").open(target)) != "x":
                await asyncio.sleep(0.05)
            while peer.channel is first:
                await asyncio.sleep(0.05)
        assert (await ask(before)).startswith("UNAVAILABLE")
        assert (await clips.GetClip(clip_pb2.GetClipRequest(name="after"))).name == "after"
        following.cancel()
        await peer.channel.close()


def replace_file(source: Path | None, at: Path | None) -> None:
    """Puts a copy of a file in the place of another, as tools that renew certificates do."""
    assert source
    assert at
    copied = at.with_suffix(".new")
    copied.write_bytes(source.read_bytes())
    copied.replace(at)


@pytest.mark.parametrize("shows_ca", [True, False])
async def test_a_probe_beside_the_server_takes_any_name(
    shows_ca: bool, authority: Authority
) -> None:
    """A certificate for another host name, with or without an authority."""
    tls = authority.issue("named", hosts=(x509.DNSName("*.example"),))
    tls = tls if shows_ca else replace(tls, ca=None)
    async with served(tls) as port:
        with tls.connect_to_own(f"127.0.0.1:{port}") as channel:
            stub = clip_service_pb2_grpc.ClipServiceStub(channel)
            call = asyncio.to_thread(stub.GetClip, clip_pb2.GetClipRequest(name="x"), timeout=10)
            assert (await call).name == "x"


def test_a_probe_finds_a_server_soon_after_its_start() -> None:
    """It tries to connect more often than gRPC does by itself."""
    tries: Counter[str] = Counter()
    with ExitStack() as stack:
        stubs = []
        for name, connect in (("own", Tls().connect_to_own), ("plain", grpc.insecure_channel)):
            server = stack.enter_context(socketserver.TCPServer(("127.0.0.1", 0), _hang_up))
            server.handle_error = lambda *_, at=name: tries.update([at])  # type: ignore[method-assign]
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(server.shutdown)
            channel = stack.enter_context(connect(f"127.0.0.1:{server.server_address[1]}"))
            stubs.append(clip_service_pb2_grpc.ClipServiceStub(channel))
        while tries["plain"] < 3:
            for stub in stubs:
                with pytest.raises(grpc.RpcError):
                    stub.GetClip(clip_pb2.GetClipRequest(), timeout=0.1)
            time.sleep(0.05)
    assert tries["own"] > tries["plain"]


def _hang_up(*_: object) -> None:
    """Handles a connection as a server that is not there yet."""
    raise ConnectionAbortedError
