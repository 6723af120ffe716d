"""Forms with files, read as they arrive. A file is never in memory as a whole."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Collection
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from serving.errors import Reason, ServiceError

MAX_FIELDS = 32
MAX_TEXT_BYTES = 256 * 1024
"""Bytes of all text fields of a form together."""

_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}
"""The only escapes that browsers write in the names of fields and files."""


@dataclass(frozen=True)
class Allowed:
    """The fields and files that a form may hold."""

    names: Collection[str] = ()
    """Its text fields."""
    lists: Collection[str] = ()
    """The text fields that may come more than once."""
    others: bool = False
    """True if text fields of other names are ignored and not refused."""
    file: str = "audio"
    """The field that holds a file."""
    files: int = 1
    """Number of files at most."""


@dataclass(frozen=True)
class File:
    """The head of a file."""

    name: str = ""
    """Its name by the sender, without folders; may be empty."""
    content_type: str = ""
    """Its type by the sender; may be empty or wrong."""


class Form:
    """A form as far as it has arrived; `read_form` gives one that has come to its first file.

    In memory are the text fields and one piece of the body, however long the files are.
    """

    def __init__(self, boundary: bytes, body: AsyncIterable[bytes], allowed: Allowed) -> None:
        """Reads nothing yet; see `read_form`."""
        self.fields: dict[str, list[str]] = {}
        """The text fields before the first file."""
        self.later: dict[str, list[str]] = {}
        """Those behind it; all of them once `pieces` has come to its end."""
        self.first = File()
        """The head of the first file."""
        self._body = aiter(body)
        self._allowed = allowed
        self._part = _Part()
        self._left = MAX_TEXT_BYTES
        self._pieces: list[File | bytes] = []
        self._count = 0
        self._files = 0
        self._ended = False
        self._parser = self._make_parser(boundary)

    def _make_parser(self, boundary: bytes) -> MultipartParser:
        try:
            parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._open,
                    "on_part_data": self._data,
                    "on_part_end": self._close,
                    "on_end": self._finish,
                },
            )
            parser.logger.setLevel(logging.ERROR)  # a bad form is its sender's business alone
        except FormParserError as error:
            raise _bad("content-type", f"its boundary can't be used: {error}") from error
        return parser

    async def find(self) -> None:
        """Reads on until the first file begins."""
        file = self._allowed.file
        while not self._files:
            if not await self._feed():
                raise _bad(file, f"the form has no file of the name {file!r}")

    async def pieces(self) -> AsyncIterator[File | bytes]:
        """The head of each file and its bytes behind it; the rest goes into `later`; once only.

        Raises:
            ServiceError: FIELD_INVALID when the form is broken, cut off, or has too many files, or
                too many or unknown fields behind the first one.
        """
        while True:
            ready, self._pieces = self._pieces, []
            for piece in ready:
                yield piece
            if not await self._feed():
                return

    async def chunks(self) -> AsyncIterator[bytes]:
        """As `pieces`, of a form with one file: its bytes alone."""
        async for piece in self.pieces():
            if isinstance(piece, bytes):
                yield piece

    async def _feed(self) -> bool:
        """Reads the next piece of the body; False at the end of a complete form."""
        piece = await anext(self._body, None)
        if piece is None:
            if not self._ended:
                raise _bad("body", "the form ends before its last boundary: it was cut off")
            return False
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _bad("body", f"not a form with the boundary it announces: {error}") from error
        return True

    def _begin(self) -> None:
        self._part = _Part()
        self._count += 1
        most = MAX_FIELDS - 1 + self._allowed.files
        if self._count > most:
            raise _bad("body", f"the form has more than {most} fields")

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def _header_end(self) -> None:
        self._part.keep_header()

    def _open(self) -> None:
        part, allowed = self._part, self._allowed
        part.read_headers()
        part.is_file = part.name == allowed.file
        if part.is_file:
            self._open_file(File(part.file_name, part.content_type))
        elif (part.name in self.fields or part.name in self.later) and not self._listed(part.name):
            raise _bad(part.name, "the form has this field twice")
        elif part.name not in allowed.names and not allowed.others:
            known = ", ".join([allowed.file, *sorted(allowed.names)])
            raise _bad(part.name, f"the form may have no such field, only {known}")

    def _open_file(self, file: File) -> None:
        if self._files == self._allowed.files:
            many = "one file" if self._files == 1 else f"{self._files} files"
            raise _bad(
                self._allowed.file, f"the form has more than {many}; send others by themselves"
            )
        self._files += 1
        if self._files == 1:
            self.first = file
        self._pieces.append(file)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            self._pieces.append(data[start:end])
            return
        self._left -= end - start
        if self._left < 0:
            raise _bad(
                self._part.name, f"the form has more than {MAX_TEXT_BYTES // 1024} KiB of text"
            )
        if self._part.name in self._allowed.names:
            self._part.text += data[start:end]

    def _close(self) -> None:
        name = self._part.name
        if not self._part.is_file and name in self._allowed.names:
            fields = self.later if self._files else self.fields
            fields.setdefault(name, []).append(_text(bytes(self._part.text), name))

    def _listed(self, name: str) -> bool:
        return name in self._allowed.lists

    def _finish(self) -> None:
        self._ended = True


async def read_form(content_type: str, body: AsyncIterable[bytes], allowed: Allowed) -> Form:
    """Reads a form up to the first byte of its first file.

    Args:
        content_type: the header of that name, with the boundary.
        body: the body as it comes, in pieces of any size.
        allowed: what the form may hold.

    Returns:
        The form, whose `pieces` or `chunks` are to be read.

    Raises:
        ServiceError: FIELD_INVALID when there is no boundary or no file, or when the form is
            broken, cut off, or has too many, too long or unknown fields; the message says which.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise _bad("content-type", "must be multipart/form-data with a boundary")
    form = Form(options[b"boundary"], body, allowed)
    await form.find()
    return form


@dataclass
class _Part:
    """One part of a form: its headers while they arrive, then what they say."""

    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    text: bytearray = field(default_factory=bytearray)
    name: str = ""
    file_name: str = ""
    content_type: str = ""
    is_file: bool = False

    def keep_header(self) -> None:
        self.headers[bytes(self.header).lower()] = bytes(self.value)
        self.header.clear()
        self.value.clear()

    def read_headers(self) -> None:
        kind, options = parse_options_header(self.headers.get(b"content-disposition"))
        if kind != b"form-data" or not options.get(b"name"):
            raise _bad("body", "a part of the form has no name")
        self.name = _decoded(options[b"name"], "the name of a field")
        path = _decoded(options.get(b"filename", b""), "filename")
        self.file_name = path.replace("\\", "/").rpartition("/")[2]
        self.content_type = self.headers.get(b"content-type", b"").decode("latin-1")


def _decoded(raw: bytes, what: str) -> str:
    text = _text(raw, what)
    return re.sub("%22|%0D|%0A", lambda found: _ESCAPES[found[0]], text)


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _bad(what, "is not UTF-8") from error


def _bad(where: str, why: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{where[:100]}: {why}", {"field": where[:100]})
