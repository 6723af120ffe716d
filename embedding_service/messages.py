"""Converts between the messages of the contract and the service's own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from audiosearch.embedding.v1 import embedding_pb2, embedding_service_pb2, model_pb2
from google.protobuf.duration_pb2 import Duration

from embedding_service.decoding.parts import WHOLE, Part
from embedding_service.decoding.readers import Pcm, Remark
from embedding_service.encoder import PIECE_SECONDS
from embedding_service.recordings import Summary, Windowing
from embedding_service.streams import Answer, Cut, Omission
from embedding_service.windows import SECOND_NS, Rule
from serving import limits
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from embedding_service.decoding.decoding import Heard

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


def to_max_tags(config: embedding_service_pb2.EmbedAudioConfig) -> int:
    """Reads the most tags to answer.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    most = limits.of(config, "max_tags").maximum
    if not 0 <= config.max_tags <= most:
        raise invalid(f"config.max_tags must be 0 to {most:.0f}, not {config.max_tags}")
    return config.max_tags


def to_tags(
    scores: NDArray[np.float32], names: Sequence[str], most: int
) -> list[embedding_pb2.Tag]:
    """Writes at most so many tags, the surest first, from the scores of a model's names."""
    surest = (-scores).argsort(kind="stable")[:most]
    return [embedding_pb2.Tag(name=names[index], score=scores[index]) for index in surest]


def to_properties(heard: Heard) -> embedding_pb2.AudioProperties:
    """Writes the properties of audio."""
    return embedding_pb2.AudioProperties(
        duration=to_duration(heard.seconds),
        active_duration=to_duration(heard.active_seconds),
        sample_rate=heard.sample_rate,
        channels=heard.channels,
        format=heard.format,
        level_dbfs=heard.level_dbfs,
        remarks=[_REMARKS[remark] for remark in heard.remarks],
    )


def to_duration(seconds: float) -> Duration:
    """Writes a length of time."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration


def to_cut(
    config: embedding_service_pb2.StreamEmbeddingsConfig, rule: Rule, min_seconds: float
) -> Cut:
    """Reads layout, channel, window and hop of a stream; those of a rule where they are not set.

    A window has at least `min_seconds`.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    window = round(min_seconds * SECOND_NS), PIECE_SECONDS * SECOND_NS
    return Cut(
        to_pcm(config.pcm) if config.HasField("pcm") else None,
        to_channel(config),
        _length(config, "window", rule.window, window),
        _length(config, "hop", rule.hop, _HOP_LIMITS_NS),
    )


def _length(
    config: embedding_service_pb2.StreamEmbeddingsConfig,
    name: Literal["window", "hop"],
    default: int,
    limits: tuple[int, int],
) -> int:
    length = _nanoseconds(getattr(config, name)) if config.HasField(name) else default
    return _within(f"config.{name}", length, limits)


def _nanoseconds(duration: Duration) -> int:
    return duration.seconds * SECOND_NS + duration.nanos


def _within(name: str, length: int, limits: tuple[int, int]) -> int:
    least, most = limits
    if not least <= length <= most:
        raise invalid(
            f"{name} must be {least / SECOND_NS:g} to {most / SECOND_NS:g} s, "
            f"not {length / SECOND_NS:g} s"
        )
    return length


def to_windowing(
    config: embedding_service_pb2.EmbedWindowsConfig, rule: Rule, min_seconds: float
) -> Windowing:
    """Reads layout, rule and range of a recording; a given rule where none is set.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    audio = config.audio
    return Windowing(
        to_pcm(audio.pcm) if audio.HasField("pcm") else None,
        to_channel(audio),
        _rule(config.window_rule, min_seconds) if config.HasField("window_rule") else rule,
        _part(config.range) if config.HasField("range") else WHOLE,
        _max_peaks(config),
    )


def _max_peaks(config: embedding_service_pb2.EmbedWindowsConfig) -> int:
    limit = limits.of(config, "max_peaks")
    if not limit.minimum <= config.max_peaks <= limit.maximum:
        raise invalid(f"config.max_peaks must be 0 to {limit.maximum:.0f}, not {config.max_peaks}")
    return config.max_peaks


def _rule(rule: embedding_pb2.WindowRule, min_seconds: float) -> Rule:
    longest = PIECE_SECONDS * SECOND_NS
    window = _nanoseconds(rule.window)
    _within("config.window_rule.window", window, (round(min_seconds * SECOND_NS), longest))
    return Rule(
        window,
        _within("config.window_rule.hop", _nanoseconds(rule.hop), (_HOP_LIMITS_NS[0], window)),
        _within("config.window_rule.single", _nanoseconds(rule.single), (0, longest)),
    )


def _part(part: embedding_pb2.TimeRange) -> Part:
    start, end = _nanoseconds(part.start_offset), _nanoseconds(part.end_offset)
    if start < 0:
        raise invalid(f"config.range.start_offset must be at least 0, not {start / SECOND_NS:g} s")
    if not part.HasField("end_offset"):
        return Part(start / SECOND_NS)
    if end <= start:
        raise invalid(
            "config.range.end_offset must be later than the start, which is "
            f"{start / SECOND_NS:g} s, not {end / SECOND_NS:g} s"
        )
    return Part(start / SECOND_NS, end / SECOND_NS)


def to_rule(rule: Rule) -> embedding_pb2.WindowRule:
    """Writes a rule by which recordings are cut."""
    second = SECOND_NS
    return embedding_pb2.WindowRule(
        window=to_duration(rule.window / second),
        hop=to_duration(rule.hop / second),
        single=to_duration(rule.single / second),
    )


def to_window(answer: Answer, model: model_pb2.Model) -> embedding_service_pb2.EmbeddedWindow:
    """Writes the answer for one window."""
    window = embedding_service_pb2.EmbeddedWindow(
        start_offset=to_duration(answer.start / model.sample_rate),
        end_offset=to_duration(answer.end / model.sample_rate),
        audio=to_properties(answer.heard) if answer.heard else None,
    )
    if isinstance(answer.result, Omission):
        window.omission = _OMISSIONS[answer.result]
    else:
        window.embedding.CopyFrom(to_embedding(answer.result.vector, model))
    return window


def to_embedding(vector: NDArray[np.float32], model: model_pb2.Model) -> embedding_pb2.Embedding:
    """Writes an embedding."""
    return embedding_pb2.Embedding(values=vector.tolist(), model=model.name)


def to_whole(
    summary: Summary, model: model_pb2.Model, tags: list[embedding_pb2.Tag]
) -> embedding_service_pb2.EmbedWindowsSummary:
    """Writes the whole of a recording, with the tags that were asked for."""
    return embedding_service_pb2.EmbedWindowsSummary(
        embedding=to_embedding(summary.embedded.vector, model),
        audio=to_properties(summary.heard),
        window_count=summary.windows,
        tags=tags,
        peaks=summary.peaks,
    )


def to_summary(heard: Heard, windows: int) -> embedding_service_pb2.StreamSummary:
    """Writes the properties of a whole stream and the number of its windows."""
    return embedding_service_pb2.StreamSummary(audio=to_properties(heard), window_count=windows)
