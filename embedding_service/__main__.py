"""Starts the embedding service: `python -m embedding_service`."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # Until it is told not to, Paddle answers a plain SIGTERM with a trace, in whichever thread gets
    # the signal. So no thread but this one may: those that the imports start inherit the block.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    from embedding_service.service import start

    start()
