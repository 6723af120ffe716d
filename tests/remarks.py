"""Remarks about audio, without those about speech: most sounds of the tests have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiosearch.embedding.v1.embedding_pb2 import AudioRemark

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_SPEECH = {"AUDIO_REMARK_NO_SPEECH", "AUDIO_REMARK_LITTLE_SPEECH"}


def of_file(remarks: Iterable[int | str]) -> list[int | str]:
    """Returns the remarks, numbers or names, that are about the file and not about speech."""
    return [each for each in remarks if _name(each) not in _OF_SPEECH]


def _name(remark: int | str) -> str:
    return remark if isinstance(remark, str) else AudioRemark.Name(remark)
