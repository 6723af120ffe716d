"""Tells a program that hangs from one that is busy, by the health checks it leaves unanswered."""

from __future__ import annotations


class Silence:
    """The health checks in a row that got no answer.

    They are counted, and no time is measured: the time in which this process itself was stopped is
    no silence of the other one. An answer to any call ends the silence, because a program that is
    slow with work still answers.
    """

    def __init__(self, seconds: float, each: float) -> None:
        """Takes the length of silence that means a hang, and the time from check to check."""
        self._most = max(round(seconds / each), 1)
        self._missed = 0

    @property
    def hangs(self) -> bool:
        """True if the silence has lasted too long."""
        return self._missed >= self._most

    def answered(self) -> None:
        """Notes an answer."""
        self._missed = 0

    def missed(self) -> None:
        """Notes a health check without an answer."""
        self._missed += 1
