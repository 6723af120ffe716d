"""Forms with files, read as they arrive. A file is never in memory as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Collection
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from gateway.rest.messages import file_names
from serving.errors import Reason, ServiceError

MAX_FIELDS = 32
MAX_TEXT_BYTES = 256 * 1024
"""Bytes of all text fields of a form together."""

MAX_BOUNDARY = 256


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

    def __init__(self, boundary: str, body: AsyncIterable[bytes], allowed: Allowed) -> None:
        """Reads nothing yet; see `read_form`."""
        self.fields: dict[str, list[str]] = {}
        """The text fields before the first file."""
        self.later: dict[str, list[str]] = {}
        """Those behind it; all of them once `pieces` has come to its end."""
        self.first = File()
        """The head of the first file."""
        self._body = aiter(body)
        self._allowed = allowed
        self._name = ""
        """The name of the part that is being read."""
        self._text = bytearray()
        self._left = MAX_TEXT_BYTES
        self._pieces: list[File | bytes] = []
        self._count = 0
        self._files = 0
        try:
            self._parser = PushMultipartParser(boundary)
        except MultipartError as error:
            raise _bad("content-type", f"its boundary can't be used: {error}") from error

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
            if not self._parser.closed:
                self._end()
            return False
        try:
            for event in self._parser.parse(piece) if piece else ():
                self._take(event)
        except MultipartError as error:
            raise _bad("body", f"not a form with the boundary it announces: {error}") from error
        return True

    def _end(self) -> None:
        try:
            self._parser.close()
        except MultipartError as error:
            raise _bad("body", "the form ends before its last boundary: it was cut off") from error

    def _take(self, event: MultipartSegment | bytearray | bytes | None) -> None:
        """Takes a part's head, the next of its bytes, or its end."""
        if isinstance(event, MultipartSegment):
            self._open(event)
        elif event is None:
            self._close()
        elif self._is_file:
            self._pieces.append(bytes(event))
        else:
            self._keep(event)

    @property
    def _is_file(self) -> bool:
        return self._name == self._allowed.file

    def _open(self, head: MultipartSegment) -> None:
        name, allowed = head.name or "", self._allowed
        self._name, self._text = name, bytearray()
        self._count += 1
        most = MAX_FIELDS - 1 + allowed.files
        if self._count > most:
            raise _bad("body", f"the form has more than {most} fields")
        if self._is_file:
            self._open_file(File(_base_name(_path(head)), head.content_type or ""))
        elif (name in self.fields or name in self.later) and name not in allowed.lists:
            raise _bad(name, "the form has this field twice")
        elif name not in allowed.names and not allowed.others:
            known = ", ".join([allowed.file, *sorted(allowed.names)])
            raise _bad(name, f"the form may have no such field, only {known}")

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

    def _keep(self, text: bytearray | bytes) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise _bad(self._name, f"the form has more than {MAX_TEXT_BYTES // 1024} KiB of text")
        if self._name in self._allowed.names:
            self._text += text

    def _close(self) -> None:
        if self._is_file or self._name not in self._allowed.names:
            return
        try:
            text = self._text.decode()
        except UnicodeDecodeError as error:
            raise _bad(self._name, "is not UTF-8") from error
        fields = self.later if self._files else self.fields
        fields.setdefault(self._name, []).append(text)


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
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not 0 < len(boundary) <= MAX_BOUNDARY:
        raise _bad("content-type", "must be multipart/form-data with a boundary")
    form = Form(boundary, body, allowed)
    await form.find()
    return form


def _path(head: MultipartSegment) -> str:
    """The name of a file as its sender wrote it, which the parser reads as browsers write it."""
    header = head.header("Content-Disposition", "")
    plain = parse_options_header(header)[1].get("filename", "")
    return file_names.extended(header) or file_names.decoded(plain)


def _base_name(path: str) -> str:
    """The name of a file without the folders that some senders put before it."""
    return path.replace("\\", "/").rpartition("/")[2]


def _bad(where: str, why: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{where[:100]}: {why}", {"field": where[:100]})
