"""Python client of the gateway: plain blocking calls that raise ServiceError."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.gateway.v1 import clips_pb2, search_pb2
from google.longrunning import operations_pb2

from audiosearch_client.connection import PATIENCE, Connection
from audiosearch_client.speakers import Speakers
from audiosearch_client.streams import stream
from serving import limits


class AudiosearchClient(Connection):
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
        """Connects on the first call; the arguments and errors are those of `Connection`."""
        super().__init__(target, timeout, key, ca)
        self.speakers = Speakers(self)

    def upload(
        self, library: str, path: Path, clip: Clip | None = None, request_id: str = ""
    ) -> clips_pb2.UploadClipResponse:
        """Uploads one file. The clip is searchable when this returns.

        The channel that is heard is that of `clip`.
        """
        described = Clip(display_name=limits.cut(Clip, "display_name", path.name))
        if clip:
            described.MergeFrom(clip)
        config = clips_pb2.UploadClipConfig(
            parent=f"libraries/{library}", clip=described, request_id=request_id
        )
        with self.open_audio(path) as file:
            requests = stream(clips_pb2.UploadClipRequest, config, file)
            return self.call(self.stubs.clips.UploadClip, requests, patience=PATIENCE)

    def import_folder(
        self, library: str, folder: str, label: str = "", channel: int = 0
    ) -> operations_pb2.Operation:
        """Starts the import of a folder of the server; `channel` as in `search`."""
        return self.call(
            self.stubs.clips.ImportClips,
            clips_pb2.ImportClipsRequest(
                parent=f"libraries/{library}", folder=folder, label=label, channel=channel
            ),
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
        self,
        library: str,
        path: Path,
        k: int | None = None,
        min_score: float | None = None,
        channel: int = 0,
    ) -> search_pb2.SearchClipsResponse:
        """Finds the clips most like an audio file, or like one channel of it, counted from 1."""
        config = search_pb2.StreamSearchClipsConfig(
            search=search_pb2.SearchConfig(parent=f"libraries/{library}", k=k, min_score=min_score),
            channel=channel,
        )
        with self.open_audio(path) as file:
            return self._gather(stream(search_pb2.StreamSearchClipsRequest, config, file))

    def search_by_clip(
        self, library: str, clip: str, k: int | None = None, min_score: float | None = None
    ) -> search_pb2.SearchClipsResponse:
        """Finds the clips most like a clip of the library. That clip itself is left out."""
        config = search_pb2.SearchConfig(parent=f"libraries/{library}", k=k, min_score=min_score)
        return self.call(
            self.stubs.search.SearchClips, search_pb2.SearchClipsRequest(config=config, clip=clip)
        )

    def embed(
        self, path: Path, model: str = "", channel: int = 0
    ) -> embedding_pb2.EmbedAudioResponse:
        """Embeds an audio file, by the default model if none is named. Nothing is stored.

        With `channel` one channel is embedded, counted from 1.
        """
        config = embedding_pb2.EmbedAudioConfig(model=model, channel=channel)
        with self.open_audio(path) as file:
            requests = stream(embedding_pb2.EmbedAudioRequest, config, file)
            return self.call(self.stubs.models.EmbedAudio, requests, patience=PATIENCE)

    def download(self, clip: str, file: IO[bytes], offset: int = 0, limit: int = 0) -> AudioObject:
        """Writes the audio of a clip, or a range of it, to `file`. Returns the stored object."""
        stored = AudioObject()
        request = clips_pb2.DownloadAudioRequest(name=clip, offset=offset, limit=limit)
        for response in self.receive(self.stubs.clips.DownloadAudio, request):
            if response.HasField("audio_object"):
                stored = response.audio_object
            file.write(response.chunk)
        return stored

    def clips(self, library: str, request: clip_pb2.ListClipsRequest) -> Iterator[Clip]:
        """All clips that match the request's filter, read page by page."""
        request.parent = f"libraries/{library}"
        for page in self.pages(self.stubs.clips.ListClips, request):
            yield from page.clips

    def _gather(
        self, requests: Iterator[search_pb2.StreamSearchClipsRequest]
    ) -> search_pb2.SearchClipsResponse:
        answer = search_pb2.SearchClipsResponse()
        for response in self.receive(self.stubs.search.StreamSearchClips, requests):
            if response.HasField("summary"):
                answer.MergeFrom(response.summary)
            else:
                answer.matches.append(response.match)
        return answer
