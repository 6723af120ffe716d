"""The errors of an object store as typed errors, with the sentences for callers and operators."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from serving.errors import Reason, ServiceError
from serving.objects.stores import FAILURES, Told, keys_of, without_key

log = structlog.get_logger()
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "StorageFull"}


class Store(NamedTuple):
    """The address of an object store, for sentences."""

    url: str
    holds: str = "keeps the audio"
    rights: str = "read, write, list and delete"
    """The rights that the key needs."""
    setting: str = "AUDIOSEARCH_AUDIO_URL"
    """The setting that names it."""

    @property
    def bucket(self) -> str:
        """The bucket or container."""
        return urlsplit(self.url).netloc

    def hopeless(self, error: BaseException) -> str:
        """The sentence for the operator if waiting does not help; empty if it may."""
        told = Told.by(error)
        if told.refused:
            return (
                f"the object store {self.url} refuses the key of the catalog"
                f"{f' ({told.code})' if told.code else ''}: set {keys_of(self.url)} to a key that "
                f"may {self.rights} there"
            )
        if told.no_bucket:
            return (
                f"there is no bucket {self.bucket!r} for {self.url} ({told.code}): create it, or "
                f"correct {self.setting}"
            )
        if without_key(error):
            return f"there is no key for the object store {self.url}: set {keys_of(self.url)}"
        return ""

    def translate(self, error: BaseException) -> ServiceError:
        """The typed error for a failure; the log gets the words of the store."""
        told = Told.by(error)
        if told.code in _FULL or told.status == 507:
            return self.full(told)
        hopeless = self.hopeless(error)
        log.error("audio.unavailable", where=self.url, why=hopeless or told.text)
        what = "refuses the catalog" if hopeless else "does not answer as it should"
        return ServiceError(
            Reason.CATALOG_UNAVAILABLE,
            f"the object store that {self.holds} {what}; try again, or ask the operator: the "
            "catalog's log says why",
        )

    def full(self, told: Told) -> ServiceError:
        """STORAGE_FULL."""
        log.error("audio.full", where=self.url, why=told.text)
        return ServiceError(
            Reason.STORAGE_FULL,
            "the object store that keeps the audio takes no more, though it reads and deletes: it "
            "is full or was made read-only; delete clips or ask the operator for room",
        )

    @contextlib.contextmanager
    def typed(self) -> Iterator[None]:
        """Makes a failure of the block a typed error."""
        try:
            yield
        except FAILURES as error:
            raise self.translate(error) from error
