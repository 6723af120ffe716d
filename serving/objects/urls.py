"""URLs of object stores: `s3://bucket/key`, and the same with `gs` and `az`.

Keys stand in them as they are: nothing is escaped, as in the command lines of the clouds.
"""

from __future__ import annotations

import re

_URL = re.compile(r"(?:s3|gs|az)://[^/?#@\s]+(?:/.*)?", re.DOTALL)
_NO_PARTS = {"", ".", ".."}
"""Parts between two slashes that obstore takes for damage."""
_BEGIN = re.compile(r"(?:s3|gs|az)://")


def is_url(text: str) -> bool:
    """True if a text is meant as such a URL; `is_whole` tells if it is one."""
    return _BEGIN.match(text) is not None


def is_whole(url: str) -> bool:
    """True if it names a bucket, and perhaps a key that can be read."""
    if not _URL.fullmatch(url):
        return False
    key = split(url)[1]
    return not key or _NO_PARTS.isdisjoint(key.split("/"))


def split(url: str) -> tuple[str, str]:
    """The URL of the bucket, and the key or prefix in it without a slash at its end."""
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key.removesuffix("/")
