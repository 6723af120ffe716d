"""Whether the database still answers, as its health check and all other calls find out."""

from __future__ import annotations

import math
import time

from serving.errors import Reason, ServiceError

SILENCE_SECONDS = 3.0


class Pulse:
    """Lets calls fail at once while the database is known not to answer.

    Without it each of them would wait for as long as a statement may take. An answer to any call
    is a sign of life, so that a database that is slow with work is not taken for one that hangs.
    """

    def __init__(self) -> None:
        """Hopes for the best."""
        self._answered = -math.inf
        self._silent = False

    def answered(self) -> None:
        """Notes an answer."""
        self._answered = time.monotonic()
        self._silent = False

    def missed(self) -> None:
        """Notes that the health check got no answer."""
        self._silent = time.monotonic() - self._answered > SILENCE_SECONDS

    def require(self) -> None:
        """Raises CATALOG_UNAVAILABLE while the database does not answer."""
        if self._silent:
            raise ServiceError(
                Reason.CATALOG_UNAVAILABLE, "the catalog's database does not answer; try again soon"
            )
