"""The way to an object store by its URL, and what its failures mean."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from obstore import exceptions
from obstore.store import from_url

from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

FAILURES = (exceptions.BaseError, ValueError, OSError)
"""All that obstore raises. An OSError is one of its own: FileNotFoundError, or a broken stream."""
_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_SERVICE_ACCOUNT",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_NO_BUCKET = {"NoSuchBucket", "InvalidBucketName", "ContainerNotFound"}
_REFUSED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
_NO_CREDENTIALS = ("169.254.169.254", "metadata.google.internal", "Missing credentials")
"""Addresses that clouds give their machines credentials at: nobody else answers there."""
_RETRIES = 3
_PAUSE = timedelta(seconds=0.1)
_CONNECT_TIME = timedelta(seconds=5)
_ANSWER_TIME = timedelta(hours=2)
"""Longest that one answer is read, however fast its reader takes it."""


class Told(NamedTuple):
    """The words of an object store about a failure."""

    status: int
    """The HTTP status; 0 if it did not answer."""
    code: str
    """The name of the failure in S3's and Azure's answers; empty if there is none."""
    text: str
    """All of it, for the log."""
    refused: bool
    """True if it does not let the key do this."""

    @classmethod
    def by(cls, error: BaseException) -> Told:
        """Reads it from obstore's error, which tells the answer in its text."""
        text = str(error).partition("\n\nDebug source:")[0].replace("\n", " ")
        text = text or "no answer in time"
        found, code = _STATUS.search(text), _CODE.search(text)
        status = int(found[1]) if found else 0
        # A list that is refused has no exception of its own.
        refused = status in {401, 403} or isinstance(error, _REFUSED)
        return cls(status, code[1] if code else "", text, refused)

    @property
    def broken(self) -> bool:
        """True if it answered that something failed inside, and not that it is away or busy."""
        return self.status >= 500 and self.status != 503

    @property
    def no_bucket(self) -> bool:
        """True if it has no such bucket or container."""
        return self.code in _NO_BUCKET


def keys_of(url: str) -> str:
    """The variables that give the key."""
    return _KEYS.get(urlsplit(url).scheme, _KEYS["az"])


def without_key(error: BaseException) -> bool:
    """True if there is no key: neither in the variables, nor from the cloud for this machine."""
    return any(place in str(error) for place in _NO_CREDENTIALS)


def connect(url: str, seconds: float) -> AzureStore | GCSStore | S3Store:
    """Takes keys and endpoint from the variables of the cloud. Sends nothing yet.

    Args:
        url: a bucket, perhaps with a prefix that is below all paths.
        seconds: longest wait for an answer.

    Raises:
        ServiceError: RIGHT_MISSING if variables that such a store needs are missing or wrong.
    """
    wait = timedelta(seconds=seconds)
    try:
        made = from_url(
            url,
            client_options={
                "allow_http": True,  # for an endpoint that says so; the clouds' own never do
                "connect_timeout": min(wait, _CONNECT_TIME),
                "read_timeout": wait,
                "timeout": _ANSWER_TIME,
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": wait,
                "backoff": {"init_backoff": _PAUSE, "max_backoff": 10 * _PAUSE, "base": 2},
            },
        )
    except FAILURES as error:
        message = f"{url} can't be used ({Told.by(error).text}): set {keys_of(url)}"
        raise ServiceError(Reason.RIGHT_MISSING, message) from error
    return cast("AzureStore | GCSStore | S3Store", made)
