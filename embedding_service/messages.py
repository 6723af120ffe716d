"""Converts between the messages of the contract and the service's own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from audiosearch.embedding.v1 import embedding_pb2, embedding_service_pb2, model_pb2
from google.protobuf.duration_pb2 import Duration

from embedding_service.decoding.readers import Pcm, Remark
from embedding_service.encoder import PIECE_SECONDS
from embedding_service.streams import Answer, Cut, Omission
from embedding_service.windows import SECOND_NS
from serving import limits
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from embedding_service.decoding.decoding import Heard

_WINDOW_NS, _HOP_NS = 3 * SECOND_NS, 3 * SECOND_NS // 2
_HOP_LIMITS_NS = SECOND_NS // 100, 3600 * SECOND_NS
_SAMPLE_TYPES = {
    embedding_pb2.SAMPLE_TYPE_UNSPECIFIED: "<i2",
    embedding_pb2.SAMPLE_TYPE_INT16: "<i2",
    embedding_pb2.SAMPLE_TYPE_FLOAT32: "<f4",
}
_OMISSIONS = {
    omission: embedding_service_pb2.EmbeddedWindow.Omission.Value(f"OMISSION_{omission.value}")
    for omission in Omission
}


_REMARKS = {
    remark.value: embedding_pb2.AudioRemark.Value(f"AUDIO_REMARK_{remark.value}")
    for remark in Remark
}


def invalid(message: str) -> ServiceError:
    """Returns the error for an invalid field."""
    return ServiceError(Reason.FIELD_INVALID, message)


def to_pcm(layout: embedding_pb2.PcmFormat) -> Pcm:
    """Reads the layout of raw samples.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    rate, channels = limits.of(layout, "sample_rate"), limits.of(layout, "channels")
    if not rate.minimum <= layout.sample_rate <= rate.maximum:
        raise invalid(
            f"config.pcm.sample_rate must be {rate.minimum:.0f} to {rate.maximum:.0f} Hz, "
            f"not {layout.sample_rate}"
        )
    if not 0 <= layout.channels <= channels.maximum:
        raise invalid(
            f"config.pcm.channels must be 1 to {channels.maximum:.0f}, not {layout.channels}"
        )
    if layout.sample_type not in _SAMPLE_TYPES:
        raise invalid(f"config.pcm.sample_type {layout.sample_type} is unknown")
    return Pcm(layout.sample_rate, layout.channels or 1, _SAMPLE_TYPES[layout.sample_type])


def to_channel(
    config: embedding_service_pb2.EmbedAudioConfig | embedding_service_pb2.StreamEmbeddingsConfig,
) -> int:
    """Reads the channel to hear.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    most = limits.of(config, "channel").maximum
    if config.channel > most:
        raise invalid(f"config.channel must be 0 to {most:.0f}, not {config.channel}")
    return config.channel


def to_properties(heard: Heard) -> embedding_pb2.AudioProperties:
    """Writes the properties of audio."""
    return embedding_pb2.AudioProperties(
        duration=_duration(heard.seconds),
        active_duration=_duration(heard.active_seconds),
        sample_rate=heard.sample_rate,
        channels=heard.channels,
        format=heard.format,
        level_dbfs=heard.level_dbfs,
        remarks=[_REMARKS[remark] for remark in heard.remarks],
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def to_cut(config: embedding_service_pb2.StreamEmbeddingsConfig, min_seconds: float) -> Cut:
    """Reads layout, channel, window and hop of a stream. A window has at least `min_seconds`.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    window = round(min_seconds * SECOND_NS), PIECE_SECONDS * SECOND_NS
    return Cut(
        to_pcm(config.pcm) if config.HasField("pcm") else None,
        to_channel(config),
        _length(config, "window", _WINDOW_NS, window),
        _length(config, "hop", _HOP_NS, _HOP_LIMITS_NS),
    )


def _length(
    config: embedding_service_pb2.StreamEmbeddingsConfig,
    name: Literal["window", "hop"],
    default: int,
    limits: tuple[int, int],
) -> int:
    duration = getattr(config, name)
    given = duration.seconds * SECOND_NS + duration.nanos
    length = given if config.HasField(name) else default
    least, most = limits
    if not least <= length <= most:
        raise invalid(
            f"config.{name} must be {least / SECOND_NS:g} to {most / SECOND_NS:g} s, "
            f"not {length / SECOND_NS:g} s"
        )
    return length


def to_window(
    answer: Answer, model: model_pb2.Model
) -> embedding_service_pb2.StreamEmbeddingsResponse:
    """Writes the answer for one window."""
    window = embedding_service_pb2.EmbeddedWindow(
        start_offset=_duration(answer.start / model.sample_rate),
        end_offset=_duration(answer.end / model.sample_rate),
        audio=to_properties(answer.heard),
    )
    if isinstance(answer.result, Omission):
        window.omission = _OMISSIONS[answer.result]
    else:
        window.embedding.model = model.name
        window.embedding.values.extend(answer.result.tolist())
    return embedding_service_pb2.StreamEmbeddingsResponse(window=window)


def to_summary(heard: Heard, windows: int) -> embedding_service_pb2.StreamEmbeddingsResponse:
    """Writes the properties of a whole stream and the number of its windows."""
    summary = embedding_service_pb2.StreamSummary(audio=to_properties(heard), window_count=windows)
    return embedding_service_pb2.StreamEmbeddingsResponse(summary=summary)
