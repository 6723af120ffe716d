"""Helpers of the tests of speakers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1 import speakers_pb2

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running

Take = Callable[..., Path]
ANN, BOB = 0, 3
"""Two of the made-up voices that the bundled model tells well apart."""


def reasons(answer: speakers_pb2.EnrollSpeakerResponse) -> list[str]:
    """Why each recording was not enrolled; empty where it was."""
    return [outcome.failure.reason for outcome in answer.outcomes]


def clips(shared: Running, library: str) -> list[Clip]:
    """The ACTIVE clips of a library."""
    return list(shared.client.clips(library, clip_pb2.ListClipsRequest()))


def refused(call: Callable[[], object]) -> Reason:
    """The reason with which a call is refused."""
    with pytest.raises(ServiceError) as raised:
        call()
    return raised.value.reason
