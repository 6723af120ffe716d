"""Much audio that waits is embedded by several runs at a time, with the same vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.servers.processes import until

CALLS = 24


def test_many_at_once_as_one_alone(
    start: Callable[..., Any],
    voice: Callable[..., NDArray[np.float32]],
    encode: Callable[..., bytes],
) -> None:
    """One call has all cores; of many, some share them. Nobody can tell from the vectors."""
    service = start(AUDIOSEARCH_ENCODER_THREADS="2", AUDIOSEARCH_ENCODER_RUNS="2")
    sounds = [encode(voice(20 + seed, seed)) for seed in range(4)]

    def vector(sound: bytes) -> NDArray[np.float32]:
        return np.array(service.embed(sound).embedding.values)

    def runs() -> list[bool]:
        lines = service.log.read_text().splitlines()
        return [json.loads(line)["alone"] for line in lines if '"encoded"' in line]

    alone = [vector(sound) for sound in sounds]
    assert runs() == [True] * len(sounds)
    with ThreadPoolExecutor(CALLS) as pool:

        def crowd() -> bool:
            vectors = pool.map(vector, sounds * (CALLS // len(sounds)))
            for number, found in enumerate(vectors):
                assert found @ alone[number % len(sounds)] > 0.9999
            return False in runs()

        until(crowd)
    before = len(runs())
    assert vector(sounds[0]) @ alone[0] > 0.9999
    assert runs()[before:] == [True]
