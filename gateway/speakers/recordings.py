"""The stream of an enrollment as recordings, each with its bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from audiosearch.gateway.v1.speakers_pb2 import EnrollSpeakerRequest, Recording

from serving.errors import Reason, ServiceError
from serving.limits import MAX_RECORDINGS


class Take(NamedTuple):
    """One recording: its description, and its bytes as they arrive."""

    recording: Recording
    chunks: AsyncIterator[bytes]


async def takes(requests: AsyncIterator[EnrollSpeakerRequest]) -> AsyncIterator[Take]:
    """The recordings after the config. Bytes of a recording that are not read are skipped.

    Raises:
        ServiceError: FIELD_INVALID if the stream is out of order, or has no or too many recordings.
    """
    reader = _Reader(requests)
    await reader.advance()
    count = 0
    while reader.message is not None:
        if reader.message.WhichOneof("request") != "recording":
            raise _disorder("recording: it must come before its bytes, and config but once")
        count += 1
        if count > MAX_RECORDINGS:
            raise _disorder(
                f"recording: at most {MAX_RECORDINGS} in one call; send the others in another"
            )
        recording = reader.message.recording
        await reader.advance()
        chunks = reader.chunks()
        if recording.clip and reader.has_chunk:
            raise _disorder("audio_chunk: none may follow a recording that names a clip")
        yield Take(recording, chunks)
        await reader.pass_over()
    if not count:
        raise _disorder("recording: there is none; send at least one")


class _Reader:
    """Looks one message ahead."""

    def __init__(self, requests: AsyncIterator[EnrollSpeakerRequest]) -> None:
        self._requests = requests.__aiter__()
        self.message: EnrollSpeakerRequest | None = None

    async def advance(self) -> None:
        self.message = await anext(self._requests, None)

    @property
    def has_chunk(self) -> bool:
        return self.message is not None and self.message.WhichOneof("request") == "audio_chunk"

    async def pass_over(self) -> None:
        while self.has_chunk:
            await self.advance()

    async def chunks(self) -> AsyncIterator[bytes]:
        while self.message is not None and self.has_chunk:
            chunk = self.message.audio_chunk
            await self.advance()
            yield chunk


def _disorder(message: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, message, {"field": message.partition(":")[0]})
