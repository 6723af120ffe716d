"""Objects of an object store as files of a plan: lists, looks and reads, with typed errors.

Keys and endpoint are those of the audio store: the variables of the cloud, on each machine.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.exceptions import InvalidPathError

from serving.audio_signs import HEAD_BYTES
from serving.errors import Reason, ServiceError, shorten
from serving.objects.stores import FAILURES, Told, connect, keys_of, without_key
from serving.objects.urls import split

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import AzureStore, GCSStore, S3Store

OF_NO_OBJECT = {Reason.RIGHT_MISSING, Reason.OBJECT_STORE_UNAVAILABLE}
"""Reasons that would meet every other object too."""
PAGE = 1000
"""Objects of one answer to a list."""
_SECONDS = 20.0
"""Longest wait for an answer."""
_AT_ONCE = 16
_AHEAD = 4 * _AT_ONCE
_BUCKETS = 16
_TEXT_BYTES = 300
_KEY_WRONG = {
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"),
    *("RequestTimeTooSkewed", "AuthenticationFailed", "InvalidAuthenticationInfo"),
}
"""Codes of 403 that mean the key, and not the object."""
T = TypeVar("T")
U = TypeVar("U")


def pages(url: str) -> Iterator[list[ObjectMeta]]:
    """All objects below a prefix, a page at a time, in the order of the store.

    Raises:
        ServiceError: PATH_NOT_FOUND if there is no such bucket; RIGHT_MISSING if the key may not
            list it; FIELD_INVALID for a key that no path can be; OBJECT_STORE_UNAVAILABLE.
    """
    where, prefix = split(url)
    with _typed(url, all_of_it=True):
        yield from map(list, obstore.list(_bucket(where), prefix or None, chunk_size=PAGE))


def look(url: str) -> ObjectMeta:
    """Size, tag and time of an object.

    Raises:
        ServiceError: PATH_NOT_FOUND; PATH_NOT_ALLOWED if the key may not read it; AUDIO_DAMAGED if
            the store has lost it; and as `pages`.
    """
    where, key = split(url)
    with _typed(url):
        try:
            return obstore.head(_bucket(where), key)
        except FAILURES as error:
            if Told.by(error).refused:
                head(url)  # the same refusal, in words: this one has none
            raise


def head(url: str) -> bytes:
    """The first bytes of an object that is not empty; errors as `look`."""
    where, key = split(url)
    with _typed(url):
        return bytes(obstore.get_range(_bucket(where), key, start=0, end=HEAD_BYTES))


def whole(url: str, check_size: Callable[[int], None]) -> bytes | None:
    """A small object, whose size is checked first; None if it is not there; errors as `look`."""
    where, key = split(url)
    try:
        with _typed(url):
            found = obstore.get(_bucket(where), key)
        check_size(found.meta["size"])
        with _typed(url):
            return bytes(found.bytes())
    except ServiceError as error:
        if error.reason is not Reason.PATH_NOT_FOUND:
            raise
        return None


async def chunks(
    url: str, chunk_bytes: int, check: Callable[[ObjectMeta], None], below: str = ""
) -> AsyncGenerator[bytes, None]:
    """The bytes of an object.

    Args:
        url: the object.
        chunk_bytes: most bytes of a chunk.
        check: gets what the store tells of the object, before its bytes.
        below: the prefix that was listed for it; empty for an object that was named.

    Raises:
        ServiceError: as `look`, and what `check` raises.
    """
    where, key = split(url)
    try:
        found = await obstore.get_async(_bucket(where), key)
        check(found.meta)
        async for block in found.stream(chunk_bytes):
            for first in range(0, len(block), chunk_bytes):
                yield bytes(block[first : first + chunk_bytes])
    except FAILURES as error:
        told = Told.by(error)
        if below and (told.refused or told.broken):  # this object alone, or all of them?
            await _list_a_little(below)
        raise _failure(url, error) from error


def at_once(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """The results of work in the order of its items, some of which are ahead in threads."""
    window: deque[Future[U]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for item in items:
                window.append(pool.submit(work, item))
                if len(window) == _AHEAD:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            for each in window:
                each.cancel()


@functools.lru_cache(_BUCKETS)
def _bucket(url: str) -> AzureStore | GCSStore | S3Store:
    return connect(url, _SECONDS)


async def _list_a_little(url: str) -> None:
    where, prefix = split(url)
    with _typed(url, all_of_it=True):
        async for _ in obstore.list(_bucket(where), prefix or None, chunk_size=1):
            return


@contextlib.contextmanager
def _typed(url: str, *, all_of_it: bool = False) -> Iterator[None]:
    """Makes a failure of obstore a typed error, of one object or of all of them."""
    try:
        yield
    except FAILURES as error:
        raise _failure(url, error, all_of_it=all_of_it) from error


def _failure(url: str, error: BaseException, *, all_of_it: bool = False) -> ServiceError:
    told, where = Told.by(error), split(url)[0]
    if told.refused or without_key(error):
        return _refusal(url, error, all_of_it=all_of_it)
    if told.no_bucket:
        reason = Reason.PATH_NOT_FOUND
        text = f"there is no bucket {where} ({told.code}): correct its name, or the endpoint"
    elif isinstance(error, FileNotFoundError):
        reason, text = Reason.PATH_NOT_FOUND, f"there is no object {url}"
    elif isinstance(error, InvalidPathError):
        reason = Reason.FIELD_INVALID
        text = (
            f"{url} has a key with an empty part, or with . or .. for one: rename the object, or "
            f"name another prefix ({told.text})"
        )
    elif told.broken and not all_of_it:
        reason = Reason.AUDIO_DAMAGED
        text = f"the store can't give {url} ({_brief(told)}): mend it there, or leave it out"
    else:
        reason = Reason.OBJECT_STORE_UNAVAILABLE
        text = (
            f"{where} does not answer as it should ({_brief(told)}): correct the endpoint if it is "
            "another one, or call the same command again later"
        )
    return ServiceError(reason, text)


def _refusal(url: str, error: BaseException, *, all_of_it: bool) -> ServiceError:
    told, where, keys = Told.by(error), split(url)[0], keys_of(url)
    if without_key(error):
        return ServiceError(Reason.RIGHT_MISSING, f"there is no key for {where}: set {keys}")
    code = f" ({told.code})" if told.code else ""
    if all_of_it or told.status == 401 or told.code in _KEY_WRONG:
        return ServiceError(
            Reason.RIGHT_MISSING,
            f"{where} refuses the key{code}: set {keys} to one that may list and read {url}",
        )
    return ServiceError(
        Reason.PATH_NOT_ALLOWED,
        f"{where} does not let the key read it{code}: set {keys} to one that may",
    )


def _brief(told: Told) -> str:
    return shorten(told.text, _TEXT_BYTES)
