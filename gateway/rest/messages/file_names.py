"""Names of files in the heads of forms, in each of the ways that clients write them."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import unquote

_BROWSERS = re.compile("%22|%0D|%0A")
"""The only escapes that browsers write."""
_QUOTED = re.compile(r"(?:[A-Za-z0-9_.~!'()*/-]|%[0-9A-Fa-f]{2})+")
"""A name in which everything is escaped that URLs escape."""
_WORDS = re.compile(r"=\?[^?\s]+\?[bq]\?[^?]*\?=", re.IGNORECASE)


def extended(header: str) -> str:
    """The name by `filename*`, as in RFC 5987 and RFC 2231; empty if there is none of use."""
    if "*" not in header:
        return ""
    message = Message()
    message["content-disposition"] = header
    for name, value in message.get_params([], "content-disposition"):
        if name.lower() == "filename" and isinstance(value, tuple) and value[0]:
            text = collapse_rfc2231_value(value)
            return "" if "\N{REPLACEMENT CHARACTER}" in text else text
    return ""


def decoded(name: str) -> str:
    """The name by `filename`: words of RFC 2047, escaped as in URLs, or as browsers write it."""
    if _WORDS.search(name):
        try:
            return str(make_header(decode_header(name)))
        except (HeaderParseError, LookupError, ValueError):
            return name
    escaped = "%" in name and _QUOTED.fullmatch(name)
    # Three escapes are also a browser's, which leaves other percent signs as they are.
    if escaped and not (_BROWSERS.search(name) and unquote(name).isascii()):
        try:
            return unquote(name, errors="strict")
        except UnicodeDecodeError:
            return name
    return _BROWSERS.sub(lambda found: unquote(found[0]), name)
