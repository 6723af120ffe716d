"""Cutting a stream into windows, to the sample."""

from __future__ import annotations

import numpy as np
import pytest

from embedding_service.windows import SECOND_NS, Cutter, Window

RATE = 16000


def cut(sound: np.ndarray, window: float, hop: float, chunk: int) -> list[Window]:
    """Cuts a sound that comes in chunks; window and hop in seconds."""
    cutter = Cutter(RATE, round(window * SECOND_NS), round(hop * SECOND_NS))
    windows = [
        found
        for start in range(0, len(sound), chunk)
        for found in cutter.add(sound[start : start + chunk])
    ]
    last = cutter.finish()
    return [*windows, last] if last else windows


def sound(seconds: float) -> np.ndarray:
    """Samples that are all different."""
    return np.arange(round(seconds * RATE), dtype=np.float32)


@pytest.mark.parametrize("chunk", [1000, 1601, 48000, 10**6])
@pytest.mark.parametrize(
    ("window", "hop"), [(3.0, 1.5), (3.0, 3.0), (1.0, 2.5), (0.5, 1 / 3), (2.0, 0.01), (60.0, 0.7)]
)
def test_windows(window: float, hop: float, chunk: int) -> None:
    """Every window holds the samples that its offsets say, whatever the chunks were."""
    whole = sound(10.0)
    windows = cut(whole, window, hop, chunk)
    for number, found in enumerate(windows):
        assert found.start == round(number * round(hop * SECOND_NS) * RATE / SECOND_NS)
        np.testing.assert_array_equal(found.samples, whole[found.start : found.end])
    assert {len(found.samples) for found in windows[:-1]} <= {round(window * RATE)}


@pytest.mark.parametrize(
    ("seconds", "window", "hop", "ends"),
    [
        (6.0, 3.0, 1.5, [3.0, 4.5, 6.0]),
        (6.5, 3.0, 1.5, [3.0, 4.5, 6.0, 6.5]),
        (6.0, 3.0, 3.0, [3.0, 6.0]),
        (7.0, 3.0, 3.0, [3.0, 6.0, 7.0]),
        (2.0, 1.0, 2.0, [1.0]),
        (2.5, 1.0, 2.0, [1.0, 2.5]),
        (1.0, 3.0, 1.5, [1.0]),
        (0.0, 3.0, 1.5, []),
    ],
)
def test_the_end(seconds: float, window: float, hop: float, ends: list[float]) -> None:
    """One shorter window ends a stream that has samples which were in no window."""
    windows = cut(sound(seconds), window, hop, 1234)
    assert [found.end / RATE for found in windows] == ends


def test_no_drift() -> None:
    """A hop that is no whole number of samples does not add up its rounding."""
    cutter = Cutter(RATE, SECOND_NS // 10, SECOND_NS // 3)
    windows = [w for _ in range(3000) for w in cutter.add(np.zeros(RATE, np.float32))]
    assert len(windows) == 9000
    assert windows[-1].start == round(8999 * (SECOND_NS // 3) * RATE / SECOND_NS)
