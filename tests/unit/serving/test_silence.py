"""A program hangs if several checks in a row get no answer, and nothing else does."""

from __future__ import annotations

from serving.peers.silence import Silence


def test_a_hang_is_several_checks_without_an_answer() -> None:
    """As many as fit into the time, one at least; an answer ends it."""
    silence = Silence(9, 3)
    for hangs in (False, False, True, True):
        silence.missed()
        assert silence.hangs == hangs
    silence.answered()
    assert not silence.hangs
    hasty = Silence(0.1, 3)
    assert not hasty.hangs
    hasty.missed()
    assert hasty.hangs


def test_a_busy_program_answers_in_between() -> None:
    """Checks that it misses do not add up."""
    silence = Silence(6, 3)
    for _ in range(5):
        silence.missed()
        silence.answered()
    assert not silence.hangs
