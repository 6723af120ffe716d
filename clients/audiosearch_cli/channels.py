"""The option `--channel`, and remarks about audio in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer
from audiosearch.embedding.v1.embedding_pb2 import (
    AUDIO_REMARK_CUT_OFF,
    AUDIO_REMARK_LITTLE_SPEECH,
    AUDIO_REMARK_NO_SPEECH,
    AUDIO_REMARK_ONE_TRACK_OF_SEVERAL,
    AUDIO_REMARK_UNLIKE_CHANNELS_MIXED,
    AudioProperties,
    AudioRemark,
)

from audiosearch_cli.output import say
from serving.channels import number_of
from serving.errors import ServiceError

WORDS: dict[AudioRemark.ValueType, str] = {
    AUDIO_REMARK_UNLIKE_CHANNELS_MIXED: "channels that hold different sounds were mixed; "
    "--channel left, right or a number hears one",
    AUDIO_REMARK_CUT_OFF: "cut off, or never finished; all that is there was heard",
    AUDIO_REMARK_ONE_TRACK_OF_SEVERAL: "of several audio tracks the default one was heard",
    AUDIO_REMARK_NO_SPEECH: "no speech was found; scores say nothing about a voice",
    AUDIO_REMARK_LITTLE_SPEECH: "little speech: a decision about the voice is unsure",
}


def _read(text: str | int) -> int:
    try:
        return number_of(str(text))
    except ServiceError as error:
        raise typer.BadParameter(error.message.partition(": ")[2]) from None


Channel = Annotated[
    int,
    typer.Option(
        parser=_read,
        metavar="mix|left|right|N",
        help="The channel to hear: all of them mixed, or one by its side or number.",
        show_default="mix",
    ),
]


def require_file(channel: int, clip: str) -> None:
    """Ends the command with an error if a channel is named beside a clip of the library."""
    if channel and clip:
        raise typer.BadParameter("a clip is heard as it is stored", param_hint="--channel")


def remarks(audio: AudioProperties) -> Iterator[str]:
    """The remarks about audio in words."""
    for remark in audio.remarks:
        yield WORDS.get(remark, AudioRemark.Name(remark) if remark in AudioRemark.values() else "")


def say_counts(counts: Mapping[str, int]) -> None:
    """Prints a line for each remark about the files of an import, by the remark's name."""
    for name, count in sorted(counts.items()):
        known = AudioRemark.Value(name) if name in AudioRemark.keys() else None  # noqa: SIM118
        words = name if known is None else WORDS.get(known, name)
        say(f"note: {count:,} {'file' if count == 1 else 'files'}: {words}")


def say_remarks(audio: AudioProperties, name: str = "") -> None:
    """Prints a line for each remark about audio, with its name if there are several."""
    for words in remarks(audio):
        say(f"note: {name}: {words}" if name else f"note: {words}")
