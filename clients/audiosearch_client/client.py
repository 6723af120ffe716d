"""Python client of the gateway: plain blocking calls that raise ServiceError."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from audiosearch.catalog.v1 import clip_pb2, query_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, ClipFilter
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from audiosearch.gateway.v1 import clips_pb2, search_pb2
from audiosearch.gateway.v1.library_map_pb2 import GetLibraryMapRequest, LibraryMap
from audiosearch.gateway.v1.search_pb2 import SearchConfig
from google.longrunning import operations_pb2

from audiosearch_client.calls_under_way import stopped
from audiosearch_client.connection import PATIENCE, Connection
from audiosearch_client.sounds import Audio, Sound
from audiosearch_client.speakers import Speakers
from audiosearch_client.streams import chunks, stream
from serving import limits, names
from serving.errors import Reason, ServiceError
from serving.names import purpose_named
from serving.retry import Retry, patiently

POLL_SECONDS = 0.5
"""Time between two looks at work of the server."""

Query = Audio | str | search_pb2.VectorQuery | search_pb2.Examples
"""A sound, the name of a clip or of a kept query, a vector, or examples."""


class AudiosearchClient(Connection):
    """Calls one gateway in the messages of its contracts: `Client` and the commands stand on it.

    Use it as a context manager, or close it. `speakers` has calls for voices. `stubs` has the
    services as gRPC declares them, for `call`.

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

    def create_library(self, library: str, purpose: str = "", model: str = "") -> Library:
        """Creates an empty library.

        Args:
            library: short name, of letters, digits, _ and -.
            purpose: `voices` or `sounds`; neither means that of the model.
            model: its name; the first running model of that purpose if left out.

        Raises:
            ValueError: for another purpose.
        """
        wanted = Library(model=model, purpose=purpose_named(purpose))
        if purpose and not wanted.purpose:
            raise ValueError(f"{purpose!r} is no purpose: voices or sounds")
        request = CreateLibraryRequest(library_id=library, library=wanted)
        return self.call(self.stubs.libraries.CreateLibrary, request)

    def upload(
        self,
        library: str,
        audio: Audio,
        clip: Clip | None = None,
        request_id: str = "",
        *,
        id_names_audio: bool = False,
    ) -> clips_pb2.UploadClipResponse:
        """Uploads one sound. The clip is searchable when this returns.

        The channel that is heard is that of `clip`. With `id_names_audio` the request id changes
        whenever the file does, so that a repeat is answered before its audio is sent.
        """
        described = Clip(display_name=limits.cut(Clip, "display_name", audio.name))
        if clip:
            described.MergeFrom(clip)
        config = clips_pb2.UploadClipConfig(
            parent=f"libraries/{library}",
            clip=described,
            request_id=request_id,
            request_id_names_audio=id_names_audio,
        )
        with self.open_audio(audio) as file:
            requests = stream(clips_pb2.UploadClipRequest, config, file)
            return self.call(self.stubs.clips.UploadClip, requests, patience=PATIENCE)

    def refer(
        self,
        library: str,
        uri: str,
        clip: Clip | None = None,
        request_id: str = "",
        *,
        id_names_audio: bool = False,
    ) -> clips_pb2.UploadClipResponse:
        """Adds one sound by reference: its audio stays at `uri`. Otherwise as `upload`."""
        described = Clip(display_name=limits.cut(Clip, "display_name", names.last_part(uri)))
        if clip:
            described.MergeFrom(clip)
        described.uri = uri
        config = clips_pb2.UploadClipConfig(
            parent=f"libraries/{library}",
            clip=described,
            request_id=request_id,
            request_id_names_audio=id_names_audio,
        )
        requests = stream(clips_pb2.UploadClipRequest, config, None)
        return self.call(self.stubs.clips.UploadClip, requests, patience=PATIENCE)

    def upload_vectors(
        self, library: str, model: str, vectors: Sequence[clips_pb2.NewVector]
    ) -> clips_pb2.UploadVectorsResponse:
        """Stores vectors of `model`, at most 1,000, in a library for vectors."""
        request = clips_pb2.UploadVectorsRequest(
            parent=f"libraries/{library}", model=model, vectors=vectors
        )
        return self.call(self.stubs.clips.UploadVectors, request, patience=PATIENCE)

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
        return job_of(answer), bool(answer.done)

    def watch_import(
        self, operation: str, away: Callable[[ServiceError], None] | None = None
    ) -> Iterator[ImportJob]:
        """The states of an import, one after the other, up to its end.

        A gateway that is away is waited for, for five minutes, and told to `away`.
        """
        while True:
            stop = stopped()
            job, done = patiently(lambda: self.import_job(operation), Retry(), stop, away)
            yield job
            if done or stop.wait(POLL_SECONDS):
                return

    def watch_map(self, library: str, *, best: bool = True) -> Iterator[LibraryMap]:
        """The states of a library's map, up to the best one, which comes with all its points.

        With `best` false, that is the first one that has any.

        Raises:
            ServiceError: that of the layout, if that failed.
        """
        request = GetLibraryMapRequest(name=f"libraries/{library}/map")
        method = self.stubs.libraries.GetLibraryMap
        while True:
            found = self.call(method, request)
            if found.HasField("failure"):
                reason = Reason.named(found.failure.reason) or Reason.INTERNAL
                raise ServiceError(reason, f"there is no newer map: {found.failure.message}")
            ready = found.state == LibraryMap.STATE_READY or not best
            if ready and found.state != LibraryMap.STATE_PENDING:
                break
            yield found
            if stopped().wait(POLL_SECONDS):
                return
        while found.next_page_token:
            request.page_token = found.next_page_token
            page = self.call(method, request)
            found.points.extend(page.points)
            found.next_page_token = page.next_page_token
        yield found

    def search(
        self,
        library: str,
        query: Query,
        k: int | None = None,
        min_score: float | None = None,
        channel: int = 0,
        *,
        config: SearchConfig | None = None,
        part: TimeRange | None = None,
    ) -> search_pb2.SearchClipsResponse:
        """Finds the clips most like a file, a clip or a query of the library, a vector or examples.

        Args:
            library: short name.
            query: an audio file as a Path, a Sound, the full name of a clip or of a kept query, a
                vector, or examples. Clips that it names are left out of the matches.
            k: number of matches; None is that of `config`, or the gateway's default.
            min_score: lowest score of a match; None is that of `config`, or none.
            channel: the channel of a file to hear, counted from 1; 0 for all, mixed to one.
            config: everything else about the search: filter, groups, segments, page and more
                libraries. Its `parent` is not read.
            part: the part of the recording to search with; `offsets.part` makes one.
        """
        whole = _config(library, k, min_score, config)
        if isinstance(query, (Path, Sound)):
            head = search_pb2.StreamSearchClipsConfig(search=whole, range=part, channel=channel)
            with self.open_audio(query) as file:
                return self._gather(stream(search_pb2.StreamSearchClipsRequest, head, file))
        request = search_pb2.SearchClipsRequest(config=whole, range=part, channel=channel)
        if isinstance(query, str) and re.fullmatch(names.QUERY, query):
            request.kept_query = query
        elif isinstance(query, str):
            request.clip = query
        elif isinstance(query, search_pb2.VectorQuery):
            request.vector.CopyFrom(query)
        else:
            request.examples.CopyFrom(query)
        return self.call(self.stubs.search.SearchClips, request)

    def keep_query(
        self, library: str, audio: Audio, name: str = "", channel: int = 0
    ) -> query_pb2.Query:
        """Keeps a sound for a time, for searches with it by its name.

        Args:
            library: short name.
            audio: the sound.
            name: name for people; that of the sound if left out.
            channel: the channel to hear, counted from 1; 0 for all, mixed to one.
        """
        told = limits.cut(query_pb2.Query, "display_name", name or audio.name)
        config = query_pb2.CreateQueryConfig(
            parent=f"libraries/{library}",
            query=query_pb2.Query(display_name=told, channel=channel),
        )
        with self.open_audio(audio) as file:
            requests = stream(query_pb2.CreateQueryRequest, config, file)
            return self.call(self.stubs.search.CreateQuery, requests, patience=PATIENCE)

    def search_by_clip(
        self, library: str, clip: str, k: int | None = None, min_score: float | None = None
    ) -> search_pb2.SearchClipsResponse:
        """Finds the clips most like a clip of the library. That clip itself is left out."""
        return self.search(library, clip, k, min_score)

    def search_by_words(
        self, library: str, words: str, config: SearchConfig | None = None
    ) -> search_pb2.SearchClipsResponse:
        """Finds clips by words, among the tags, the display names and the labels of clips.

        The answer tells which words were taken for which tags, and which were not.
        """
        whole = _config(library, None, None, config)
        request = search_pb2.SearchClipsRequest(config=whole, words=words)
        return self.call(self.stubs.search.SearchClips, request)

    def tag_clip(self, clip: str, max_tags: int = 0, model: str = "") -> clips_pb2.TagClipResponse:
        """Names the kinds of sound in a clip, the surest first, also those of a low score.

        Args:
            clip: full name.
            max_tags: most tags; 0 is 10.
            model: `models/{model}`; empty is that of the library.
        """
        request = clips_pb2.TagClipRequest(name=clip, max_tags=max_tags, model=model)
        return self.call(self.stubs.clips.TagClip, request, patience=PATIENCE)

    def search_pages(
        self,
        library: str,
        query: Query,
        config: SearchConfig | None = None,
        *,
        channel: int = 0,
        part: TimeRange | None = None,
    ) -> Iterator[search_pb2.SearchClipsResponse]:
        """All pages of a search, each of `k` matches, read as they are asked for.

        The arguments are those of `search`. A file is sent again for each page.
        """
        turned = _config(library, None, None, config)
        while True:
            page = self.search(library, query, channel=channel, config=turned, part=part)
            yield page
            if not page.next_page_token:
                return
            turned.page_token = page.next_page_token

    def search_batch(
        self, requests: Sequence[search_pb2.SearchClipsRequest]
    ) -> search_pb2.BatchSearchClipsResponse:
        """Makes up to 100 searches in one call. One that fails does not affect the others."""
        request = search_pb2.BatchSearchClipsRequest(requests=requests)
        return self.call(self.stubs.search.BatchSearchClips, request)

    def count_values(
        self, library: str, field: str, fit: ClipFilter | None = None, limit: int = 0
    ) -> clip_pb2.CountValuesResponse:
        """Counts the clips of a library by the values of a field, the most frequent first.

        Args:
            library: short name.
            field: `label`, `speaker`, `source`, `enrolled_speaker`, `tag` or `metadata.{key}`.
            fit: the clips to count; None counts all that are ACTIVE.
            limit: number of values at most; 0 is 100.
        """
        request = clip_pb2.CountValuesRequest(
            parent=f"libraries/{library}", field=field, filter=fit, page_size=limit
        )
        return self.call(self.stubs.clips.CountValues, request)

    def stream_embeddings(
        self,
        audio: Path | Iterable[bytes],
        config: embedding_pb2.StreamEmbeddingsConfig | None = None,
    ) -> Iterator[embedding_pb2.StreamEmbeddingsResponse]:
        """Embeds audio of any length window by window, while it is sent. Nothing is stored.

        Args:
            audio: a file, or chunks of bytes as they come: an encoded file, or raw samples if
                `config.pcm` is set.
            config: model, layout of raw samples, window, hop and channel.

        Yields:
            Each `window` as soon as its audio is there, then the `summary`.
        """
        message = embedding_pb2.StreamEmbeddingsRequest
        first = message(config=config or embedding_pb2.StreamEmbeddingsConfig())
        method = self.stubs.models.StreamEmbeddings
        if isinstance(audio, Path):
            with audio.open("rb") as file:
                yield from self.receive(method, itertools.chain([first], chunks(message, file)))
        else:
            sent = (message(audio_chunk=chunk) for chunk in audio)
            yield from self.receive(method, itertools.chain([first], sent))

    def embed(
        self, audio: Audio, model: str = "", channel: int = 0
    ) -> embedding_pb2.EmbedAudioResponse:
        """Embeds a sound, by the default model if none is named. Nothing is stored.

        With `channel` one channel is embedded, counted from 1.
        """
        config = embedding_pb2.EmbedAudioConfig(model=model, channel=channel)
        with self.open_audio(audio) as file:
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


def job_of(operation: operations_pb2.Operation) -> ImportJob:
    """The import that an operation is."""
    job = ImportJob()
    operation.metadata.Unpack(job)
    return job


def _config(
    library: str, k: int | None, min_score: float | None, given: SearchConfig | None
) -> SearchConfig:
    """A copy of the given one for a library, with the number and the score if they are named."""
    whole = SearchConfig()
    if given:
        whole.CopyFrom(given)
    whole.MergeFrom(SearchConfig(parent=f"libraries/{library}", k=k, min_score=min_score))
    return whole
