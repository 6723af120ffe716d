"""The models that the service runs, by name, each with its ways to embed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiosearch.embedding.v1 import model_pb2

from embedding_service.checkpoints.checkpoint import Source
from embedding_service.encoder import Encoder
from embedding_service.messages import to_duration, to_rule
from embedding_service.network.family import Purpose
from embedding_service.recordings import Recordings
from embedding_service.streams import Streams
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedding_service.decoding.decoders import Decoders
    from embedding_service.decoding.spool import Spools
    from embedding_service.network.batching import Batcher
    from embedding_service.network.family import Traits
    from embedding_service.network.model import Model, ModelInfo
    from embedding_service.room import Room
    from embedding_service.settings import EmbeddingSettings

_DEFAULT = "models/default"
_SOURCES = {source: model_pb2.Model.Source.Value(f"SOURCE_{source.name}") for source in Source}
_PURPOSES = {purpose: model_pb2.Purpose.Value(f"PURPOSE_{purpose.name}") for purpose in Purpose}
_TRAINED_ON = {
    Purpose.VOICES: "trained on the speakers of VoxCeleb 1 and 2",
    Purpose.SOUNDS: "trained on AudioSet",
}


@dataclass(frozen=True)
class Served:
    """A model that the service runs.

    Attributes:
        message: Its description in the contract.
        traits: Properties of its network.
        encoder: Embeds pieces of audio.
        recordings: Embeds recordings window by window.
        streams: Embeds streams window by window.
    """

    message: model_pb2.Model
    traits: Traits
    encoder: Encoder
    recordings: Recordings
    streams: Streams


class Models:
    """The models that the service runs, the default one first."""

    def __init__(self, served: Sequence[Served]) -> None:
        """Takes the models, at least one."""
        self._served = served
        self._named = {one.message.name: one for one in served}
        for one in reversed(served):
            self._named[f"models/{one.traits.purpose.value}"] = one
        self._named[_DEFAULT] = self._named[""] = served[0]

    @classmethod
    def of(
        cls,
        models: Sequence[Model],
        batcher: Batcher,
        decoders: Decoders,
        spools: Spools,
        room: Room,
        limits: EmbeddingSettings,
    ) -> Models:
        """Gives each model its ways to embed. They share all but the model itself."""
        served = []
        for model in models:
            encoder = Encoder(model, batcher, decoders, spools, room, limits)
            recordings = Recordings(encoder)
            streams = Streams(encoder, room, limits)
            message = _describe(model.info, encoder.min_seconds, limits)
            served.append(Served(message, model.info.traits, encoder, recordings, streams))
        return cls(served)

    @property
    def messages(self) -> list[model_pb2.Model]:
        """Their descriptions in the contract."""
        return [one.message for one in self._served]

    def find(self, name: str) -> Served:
        """Returns the model of a name: its own, that of its purpose, or empty for the default one.

        Raises:
            ServiceError: MODEL_NOT_FOUND.
        """
        found = self._named.get(name)
        if found is None:
            running = ", ".join(one.message.name for one in self._served)
            raise ServiceError(
                Reason.MODEL_NOT_FOUND,
                f"there is no model {name!r} here; this service runs {running}",
            )
        return found


def _describe(info: ModelInfo, min_seconds: float, limits: EmbeddingSettings) -> model_pb2.Model:
    traits = info.traits
    return model_pb2.Model(
        name=info.name,
        display_name=info.display_name,
        dimension=traits.dimension,
        sample_rate=traits.sample_rate,
        parameter_count=traits.parameter_count,
        weights_sha256=info.weights_sha256,
        source=_SOURCES[info.source],
        precision=info.measured.precision.value,
        description=f"{_in_words(info)} {_computed(info)}",
        min_audio_seconds=min_seconds,
        max_audio_seconds=limits.max_audio_seconds,
        max_audio_bytes=limits.max_audio_bytes,
        window_rule=to_rule(traits.window_rule),
        family=traits.family,
        purpose=_PURPOSES[traits.purpose],
        features=traits.features,
        tag_count=len(traits.tags),
        min_score=traits.min_score,
        memory_bytes=info.memory_bytes,
        decision_duration=None
        if traits.decision_seconds is None
        else to_duration(traits.decision_seconds),
    )


def _in_words(info: ModelInfo) -> str:
    network = info.traits.description
    if info.source is Source.SETTING:
        return f"{network} with weights that the settings of the service name."
    if info.source is Source.BUNDLED:
        return (
            f"A small {network} that comes with Audiosearch, for trying things out. "
            "Less accurate than the official model, and not comparable with it."
        )
    return f"PaddleSpeech's official {network}, {_TRAINED_ON[info.traits.purpose]}."


def _computed(info: ModelInfo) -> str:
    measured = info.measured
    return (
        f"Computed in {measured.precision.value}; lowest cosine to PaddleSpeech's own vectors "
        f"{measured.lowest_cosine:.6f}; {measured.speed_ratio:.1f} times as fast as its network."
    )
