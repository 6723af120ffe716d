"""`client.clips`."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from google.protobuf.field_mask_pb2 import FieldMask

from audiosearch_client.api.given import (
    InLibrary,
    Recording,
    Where,
    audio_of,
    clip_of,
    filter_of,
    library_of,
)
from audiosearch_client.calls_under_way import stopped
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.sources import folder_source
from audiosearch_client.corpora.survey import count
from audiosearch_client.results.clips import Clip
from audiosearch_client.results.imports import Import
from audiosearch_client.sounds import Sound
from audiosearch_client.uploading import Uploader

Progress = Callable[[Import], None]
"""Gets an import each time that there is more of it."""


class Clips:
    """Uploads, lists, changes and deletes clips. The errors are those of the client."""

    def __init__(self, calls: AudiosearchClient) -> None:
        """Calls through `calls`."""
        self._calls = calls
        self._stubs = calls.stubs.clips

    def upload(
        self,
        library: InLibrary,
        audio: Recording,
        *,
        rate: int | None = None,
        name: str = "",
        label: str = "",
        speaker: str = "",
        metadata: Mapping[str, str] | None = None,
        channel: int = 0,
    ) -> Clip:
        """Uploads a recording. It can be found when this returns.

        Audio that the library has already is answered with the clip that it is, unchanged.

        Args:
            library: the library.
            audio: a path, the bytes of an encoded file, or an array of samples of the shape
                (frames,) or (frames, channels).
            rate: frames a second of samples.
            name: name for people; that of the file if left out.
            label: kind of sound.
            speaker: speaker of the voice.
            metadata: anything else, as texts.
            channel: the channel to hear, counted from 1; 0 for all, mixed to one.
        """
        described = clip_pb2.Clip(
            display_name=name, label=label, speaker=speaker, metadata=metadata, channel=channel
        )
        sound = audio_of(audio, rate, name)
        return Clip(self._calls.upload(library_of(library), sound, described).clip)

    def refer(
        self,
        library: InLibrary,
        uri: str,
        *,
        name: str = "",
        label: str = "",
        speaker: str = "",
        metadata: Mapping[str, str] | None = None,
        channel: int = 0,
    ) -> Clip:
        """Adds a recording by reference. Its audio stays where it is, and is read from there.

        Audio that the library has already is answered with the clip that it is.

        Args:
            library: the library.
            uri: `s3://bucket/key`, `gs://`, `az://` or `file:///folder/file`, below a place that
                the operator of the server allows.
            name: name for people; the last part of the URI if left out.
            label: kind of sound.
            speaker: speaker of the voice.
            metadata: anything else, as texts.
            channel: the channel to hear, counted from 1; 0 for all, mixed to one.
        """
        described = clip_pb2.Clip(
            display_name=name, label=label, speaker=speaker, metadata=metadata, channel=channel
        )
        return Clip(self._calls.refer(library_of(library), uri, described).clip)

    def upload_folder(
        self,
        library: InLibrary,
        folder: str | Path,
        *,
        label: str = "",
        channel: int = 0,
        progress: Progress | None = None,
    ) -> Import:
        """Uploads every audio file below a folder, eight at a time.

        Short outages are waited for. Stopped and made again, it goes on where it stopped.

        Args:
            library: a library that is there.
            folder: a folder of this machine; also a single file.
            label: label for every clip.
            channel: the channel to hear, counted from 1; 0 for all, mixed to one.
            progress: called after each file.

        Returns:
            The counts and the first failures: files that fail do not stop the others.
        """
        short, path, stop = library_of(library), Path(folder).expanduser(), stopped()
        source = folder_source(path, label)
        job = ImportJob(
            library=f"libraries/{short}", folder=str(source.root), state=ImportJob.STATE_RUNNING
        )
        job.progress.total = count(source)
        job.progress.passed_over.update(source.passed_over)

        def report(job: ImportJob) -> None:
            if stop.is_set():
                raise InterruptedError("the upload was cancelled")
            if progress:
                progress(Import(job))

        uploader = Uploader(self._calls, short, source, channel)
        uploader.work(job, report, lambda _: None)
        return Import(job)

    def get(self, clip: str | Clip) -> Clip:
        """Reads a clip as it is now."""
        request = clip_pb2.GetClipRequest(name=clip_of(clip))
        return Clip(self._calls.call(self._stubs.GetClip, request))

    def list(
        self,
        library: InLibrary,
        *,
        where: Where | None = None,
        label: str | None = None,
        speaker: str | None = None,
    ) -> Iterator[Clip]:
        """The clips of a library, read page by page; without conditions all of them.

        Args:
            library: the library.
            where: conditions of `audiosearch_client.conditions`, which all must hold.
            label: only clips with this label; empty for those without any.
            speaker: only clips of this speaker; empty for those without any.
        """
        fit = filter_of(where, label, speaker)
        request = clip_pb2.ListClipsRequest(filter=fit)
        return map(Clip, self._calls.clips(library_of(library), request))

    def count(
        self,
        library: InLibrary,
        field: str,
        *,
        where: Where | None = None,
        label: str | None = None,
        speaker: str | None = None,
    ) -> dict[str, int]:
        """The clips for each value of a field, the most frequent 100 first.

        Args:
            library: the library.
            field: `label`, `speaker`, `source`, `enrolled_speaker`, `tag` or `metadata.{key}`.
            where: as in `list`, like `label` and `speaker`.
            label: see there.
            speaker: see there.
        """
        fit = filter_of(where, label, speaker)
        answer = self._calls.count_values(library_of(library), field, fit)
        return {each.value: each.clip_count for each in answer.values}

    def update(
        self,
        clip: str | Clip,
        *,
        name: str | None = None,
        label: str | None = None,
        speaker: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Clip:
        """Changes what is not None. Metadata is replaced as a whole.

        Raises:
            ValueError: nothing is to be changed.
        """
        given = {"display_name": name, "label": label, "speaker": speaker, "metadata": metadata}
        changes = {field: value for field, value in given.items() if value is not None}
        if not changes:  # an empty mask would mean all fields
            raise ValueError("name what to change: name=, label=, speaker= or metadata=")
        request = clip_pb2.UpdateClipRequest(
            clip=clip_pb2.Clip(
                name=clip_of(clip),
                display_name=name or "",
                label=label or "",
                speaker=speaker or "",
                metadata=metadata,
            ),
            update_mask=FieldMask(paths=list(changes)),
        )
        return Clip(self._calls.call(self._stubs.UpdateClip, request))

    def delete(self, clip: str | Clip, *, permanent: bool = False) -> None:
        """Deletes a clip: `restore` brings it back for a time, which its server sets.

        With `permanent` it goes for good at once, also out of the trash.
        """
        request = clip_pb2.DeleteClipRequest(name=clip_of(clip), permanent=permanent)
        self._calls.call(self._stubs.DeleteClip, request)

    def restore(self, clip: str | Clip) -> Clip:
        """Brings a deleted clip back as it was."""
        request = clip_pb2.RestoreClipRequest(name=clip_of(clip))
        return Clip(self._calls.call(self._stubs.RestoreClip, request))

    def trash(self, library: InLibrary) -> Iterator[Clip]:
        """The deleted clips of a library that can be restored, read page by page."""
        fit = clip_pb2.ClipFilter(state=clip_pb2.Clip.STATE_TRASHED)
        request = clip_pb2.ListClipsRequest(filter=fit)
        return map(Clip, self._calls.clips(library_of(library), request))

    def download(self, clip: str | Clip, path: str | Path) -> Path:
        """Writes the audio of a clip, as it was uploaded, to a file. Returns its path."""
        written = Path(path).expanduser()
        with written.open("wb") as file:
            self._calls.download(clip_of(clip), file)
        return written

    def audio(self, clip: str | Clip) -> Sound:
        """The audio of a clip in memory, as it was uploaded. In a notebook it is a player."""
        file = io.BytesIO()
        stored = self._calls.download(clip_of(clip), file)
        name = clip.name if isinstance(clip, Clip) else ""
        return Sound(file.getvalue(), name, stored.content_type)

    def tags(self, clip: str | Clip, most: int = 10) -> dict[str, float]:
        """Kinds of sound in a clip and their scores, the surest first, also those of a low score.

        The library needs a model that names some.
        """
        answer = self._calls.tag_clip(clip_of(clip), most)
        return {tag.name: tag.score for tag in answer.tags}
