"""A stack that checks API keys, with TLS between all its services, that logs all it can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from audiosearch.catalog.v1 import library_pb2
from audiosearch_client.client import AudiosearchClient
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from deploy.local_stack import LocalStack, running
from gateway.access import api_key, key_file
from gateway.access.rights import Right
from serving.errors import Reason, from_rpc_error
from serving.tls.files import Tls
from tests.certificates import Authority, variables


@dataclass(frozen=True)
class Guarded:
    """A stack that checks keys, its certificates, its keys by name, and where its log is."""

    stack: LocalStack
    authority: Authority
    keyring: Path
    keys: dict[str, str]
    log: Path

    def client(self, key: str | None) -> AudiosearchClient:
        """A client with a key by name."""
        return AudiosearchClient(
            self.stack.target, key=self.keys.get(key or ""), ca=self.authority.ca
        )

    def outcome(self, method: MethodDescriptor, request: Message, token: str | None) -> Reason:
        """Returns the end of a call over the wire: its reason, or INTERNAL if it has none."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        kind = "_".join(
            "stream" if streams else "unary"
            for streams in (method.client_streaming, method.server_streaming)
        )
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        with Tls(ca=self.authority.ca).connect(self.stack.target) as channel:
            call = getattr(channel, kind)(
                path,
                request_serializer=type(request).SerializeToString,
                response_deserializer=method.output_type._concrete_class.FromString,
            )
            given = iter([request]) if method.client_streaming else request
            try:
                answer = call(given, timeout=30, metadata=metadata)
                if method.server_streaming:
                    list(answer)
            except grpc.RpcError as error:
                known = from_rpc_error(error)
                return known.reason if known else Reason.INTERNAL
        return Reason.INTERNAL


@contextmanager
def standard_error(path: Path) -> Iterator[None]:
    """Sends the output of this process and its children to a file."""
    saved = os.dup(2)
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@contextmanager
def guarded_stack(folder: Path, sounds: Path) -> Iterator[Guarded]:
    """Runs the stack, with a clip in each of two libraries, `open` and `closed`."""
    authority, keyring, keys = Authority(folder / "tls"), folder / "keys", {}
    grants = {
        "operator": {"*": Right.manage},
        "reader": {"open": Right.read, "absent": Right.read},
        "writer": {"open": Right.write},
        "manager": {"open": Right.manage},
        "stranger": {"other": Right.manage},
        "auditor": {"*": Right.read},
        "both": {"open": Right.read, "closed": Right.read, "absent": Right.read},
    }
    for name, rights in grants.items():
        key, keys[name] = api_key.make(name, rights)
        key_file.change(keyring, lambda known, key=key: known.update({key.id: key}))
    settings = {
        **variables(authority.issue("stack")),
        "AUDIOSEARCH_KEYRING": str(keyring),
        "AUDIOSEARCH_IMPORT_ROOTS": str(sounds),
        "AUDIOSEARCH_LOG_LEVEL": "debug",
        "AUDIOSEARCH_LOG_FORMAT": "json",
        "AUDIOSEARCH_OFFLINE": "1",
        "PPSPEECH_HOME": str(folder / "no-cache"),
    }
    log = folder / "log"
    with standard_error(log), running(folder / "data", settings) as stack:
        made = Guarded(stack, authority, keyring, keys, log)
        with made.client("operator") as client:
            for name in ("open", "closed"):
                request = library_pb2.CreateLibraryRequest(library_id=name)
                client.call(client.stubs.libraries.CreateLibrary, request)
                client.upload(name, sounds / "bronze_bell_1.wav")
        yield made
