"""Starts the embedding service: `python -m embedding_service`."""

from __future__ import annotations

import signal

if __name__ == "__main__":
    # Paddle prints a trace for a plain SIGTERM until it is told not to, in any thread that gets the
    # signal. Threads that the imports start inherit this block and never get it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    from embedding_service.service import start

    start()
