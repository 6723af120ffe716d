"""The threads that the store is used from: every call of it blocks."""

from __future__ import annotations

from index_service.settings import IndexSettings
from index_service.store import VectorStore, busy, unavailable
from serving.errors import ServiceError
from serving.threads import Patience, Threads

_CHECK_SECONDS = 2.5


def for_calls(settings: IndexSettings, store: VectorStore) -> Threads:
    """The threads of all RPCs."""

    def late() -> ServiceError:
        return unavailable(f"the store did not answer within {settings.store_seconds:g} s")

    patience = Patience(settings.store_seconds, late, store.lost)
    return Threads("store", settings.store_threads, settings.store_queue, busy, patience)


def for_sizes(settings: IndexSettings, store: VectorStore) -> Threads:
    """One thread for the sizes of indexes, which no call waits for."""

    def late() -> ServiceError:
        return unavailable(f"the store did not tell its sizes in {settings.store_seconds:g} s")

    return Threads("sizes", 1, 1, busy, Patience(settings.store_seconds, late, store.lost))


def for_checks() -> Threads:
    """One thread for the health check, so that a busy store does not look like a lost one."""

    def late() -> ServiceError:
        return unavailable(f"the store did not answer within {_CHECK_SECONDS:g} s")

    return Threads("check", 1, 1, busy, Patience(_CHECK_SECONDS, late))
