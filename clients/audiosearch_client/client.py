"""Python client of the gateway: plain blocking calls that raise ServiceError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TypeVar

import grpc
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.gateway.v1 import clips_pb2, search_pb2
from google.longrunning import operations_pb2
from typing_extensions import Self

from audiosearch_client.speakers import Speakers
from audiosearch_client.streams import stream
from audiosearch_client.stubs import Stubs
from serving.errors import Reason, ServiceError, from_rpc_error
from serving.tls import Tls

# By default gRPC waits up to two minutes before it tries to reach a lost gateway again.
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 * 2**20),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
]
_UNTRUSTED = re.compile("handshake|verification|certificate", re.IGNORECASE)
ResponseT = TypeVar("ResponseT")


class AudiosearchClient:
    """Calls one gateway. Use it as a context manager, or close it.

    `speakers` has calls for voices. `stubs` has the services as gRPC declares them, for `call`.

    Every method raises ServiceError with the gateway's reason, or GATEWAY_UNAVAILABLE.
    """

    def __init__(
        self,
        target: str = "localhost:50050",
        timeout: float = 60.0,
        key: str | None = None,
        ca: Path | None = None,
    ) -> None:
        """Connects on the first call.

        Args:
            target: address of the gateway, `host:port`.
            timeout: deadline of each call in seconds; streams of audio have ten times as long.
            key: API key, if the gateway needs one.
            ca: file in PEM with the authorities that the gateway's certificate comes from; without
                it there is no TLS.

        Raises:
            ValueError: if `ca` is unusable, or `key` has characters that no key has.
        """
        if key and not re.fullmatch(r"[!-~]+", key):
            raise ValueError("the API key has characters that no key has; check what was pasted")
        self._target = target
        self._timeout = timeout
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        tls = Tls(ca=ca)
        tls.check()
        self._channel = tls.connect(target, _OPTIONS)
        self.stubs = Stubs(self._channel)
        self.speakers = Speakers(self)

    def __enter__(self) -> Self:
        """Returns the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def call(
        self, method: Callable[..., ResponseT], request: object, *, patience: int = 1
    ) -> ResponseT:
        """Calls one RPC of `stubs` with `patience` times the usual deadline."""
        try:
            return method(request, timeout=self._timeout * patience, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._translate(error) from error

    def upload(
        self, library: str, path: Path, clip: Clip | None = None, request_id: str = ""
    ) -> clips_pb2.UploadClipResponse:
        """Uploads one file. The clip is searchable when this returns."""
        described = Clip(display_name=path.name[:255])
        if clip:
            described.MergeFrom(clip)
        config = clips_pb2.UploadClipConfig(
            parent=f"libraries/{library}", clip=described, request_id=request_id
        )
        with path.open("rb") as file:
            requests = stream(clips_pb2.UploadClipRequest, config, file)
            return self.call(self.stubs.clips.UploadClip, requests, patience=10)

    def import_folder(self, library: str, folder: str, label: str = "") -> operations_pb2.Operation:
        """Starts the import of a folder of the server."""
        return self.call(
            self.stubs.clips.ImportClips,
            clips_pb2.ImportClipsRequest(parent=f"libraries/{library}", folder=folder, label=label),
        )

    def import_job(self, operation: str) -> tuple[ImportJob, bool]:
        """The state of an import, and True if it is over."""
        answer = self.call(
            self.stubs.operations.GetOperation, operations_pb2.GetOperationRequest(name=operation)
        )
        job = ImportJob()
        answer.metadata.Unpack(job)
        return job, bool(answer.done)

    def search(
        self, library: str, path: Path, k: int | None = None, min_score: float | None = None
    ) -> search_pb2.SearchClipsResponse:
        """Finds the clips most like an audio file."""
        config = search_pb2.StreamSearchClipsConfig(
            search=search_pb2.SearchConfig(parent=f"libraries/{library}", k=k, min_score=min_score)
        )
        with path.open("rb") as file:
            return self._gather(stream(search_pb2.StreamSearchClipsRequest, config, file))

    def search_by_clip(
        self, library: str, clip: str, k: int | None = None, min_score: float | None = None
    ) -> search_pb2.SearchClipsResponse:
        """Finds the clips most like a clip of the library. That clip itself is left out."""
        config = search_pb2.SearchConfig(parent=f"libraries/{library}", k=k, min_score=min_score)
        return self.call(
            self.stubs.search.SearchClips, search_pb2.SearchClipsRequest(config=config, clip=clip)
        )

    def embed(self, path: Path, model: str = "") -> embedding_pb2.EmbedAudioResponse:
        """Embeds an audio file, by the default model if none is named. Nothing is stored."""
        config = embedding_pb2.EmbedAudioConfig(model=model)
        with path.open("rb") as file:
            requests = stream(embedding_pb2.EmbedAudioRequest, config, file)
            return self.call(self.stubs.models.EmbedAudio, requests, patience=10)

    def download(self, clip: str, file: IO[bytes], offset: int = 0, limit: int = 0) -> AudioObject:
        """Writes the audio of a clip, or a range of it, to `file`. Returns the stored object."""
        stored = AudioObject()
        request = clips_pb2.DownloadAudioRequest(name=clip, offset=offset, limit=limit)
        try:
            for response in self.stubs.clips.DownloadAudio(
                request, timeout=self._timeout * 10, metadata=self._metadata
            ):
                if response.HasField("audio_object"):
                    stored = response.audio_object
                file.write(response.chunk)
        except grpc.RpcError as error:
            raise self._translate(error) from error
        return stored

    def clips(self, library: str, request: clip_pb2.ListClipsRequest) -> Iterator[Clip]:
        """All clips that match the request's filter, read page by page."""
        request.parent = f"libraries/{library}"
        while True:
            page = self.call(self.stubs.clips.ListClips, request)
            yield from page.clips
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _gather(
        self, requests: Iterator[search_pb2.StreamSearchClipsRequest]
    ) -> search_pb2.SearchClipsResponse:
        answer = search_pb2.SearchClipsResponse()
        try:
            for response in self.stubs.search.StreamSearchClips(
                requests, timeout=self._timeout * 10, metadata=self._metadata
            ):
                if response.HasField("summary"):
                    answer.MergeFrom(response.summary)
                else:
                    answer.matches.append(response.match)
        except grpc.RpcError as error:
            raise self._translate(error) from error
        return answer

    def _translate(self, error: grpc.RpcError) -> ServiceError:
        known = from_rpc_error(error)
        if known:
            return known
        details = str(error.details())
        if error.code() is grpc.StatusCode.UNAVAILABLE and _UNTRUSTED.search(details):
            return ServiceError(
                Reason.GATEWAY_UNAVAILABLE,
                f"the gateway at {self._target} is not trusted: its certificate must be for that "
                f"name, not expired, and vouched for by the CA file ({details})",
            )
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return ServiceError(
                Reason.GATEWAY_UNAVAILABLE,
                f"no gateway answers at {self._target}: start one with "
                "`audiosearch serve`, or name another with AUDIOSEARCH_TARGET; if it speaks TLS, "
                "name its CA file with AUDIOSEARCH_TLS_CA",
            )
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServiceError(Reason.DEADLINE_EXCEEDED, f"no answer from {self._target} in time")
        return ServiceError(Reason.INTERNAL, f"{error.code().name}: {details}")
