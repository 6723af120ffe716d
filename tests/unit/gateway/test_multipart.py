"""Forms: read as they arrive, in bounded memory, with clear words for those that are broken."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from gateway.rest.messages.multipart import (
    MAX_FIELDS,
    MAX_TEXT_BYTES,
    Allowed,
    File,
    Form,
    read_form,
)
from serving.errors import Reason, ServiceError

KIND = 'multipart/form-data; boundary="b"'
AUDIO = bytes(range(256)) * 64 + b"\r\n--b\r--b--\r\n--\r\n\r\n--"


def part(name: str, content: bytes, extra: str = "") -> bytes:
    """One part of a form whose boundary is `b`."""
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + content + b"\r\n"


FILE = part("audio", AUDIO.replace(b"\r\n--b", b"\r\n--c"), '; filename="x.wav"')
END = b"--b--\r\n"
LABELLED = Allowed(["label"])
OTHERS = Allowed(others=True)


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    """The body as a network may cut it."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(
    body: bytes, size: int = 1000, kind: str = KIND, allowed: Allowed = LABELLED
) -> tuple[Form, bytes]:
    """A form, read to its end, and its file."""
    form = await read_form(kind, in_pieces(body, size), allowed)
    return form, b"".join([piece async for piece in form.chunks()])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 10**6])
async def test_the_file_comes_through_however_the_body_is_cut(size: int) -> None:
    """Bytes that look like the boundary are the file's own."""
    form, audio = await read(part("label", "größe".encode()) + FILE + END, size)
    assert audio == AUDIO.replace(b"\r\n--b", b"\r\n--c")
    assert form.fields == {"label": ["größe"]}
    assert form.first.name == "x.wav"


async def test_what_httpx_sends_is_read() -> None:
    """A client's own form, with a file name of any script."""
    request = httpx.Request(
        "POST",
        "http://x/",
        data={"label": "bell"},
        files={"audio": ('声音 "1".wav', AUDIO, "audio/wav")},
    )
    form, audio = await read(request.read(), 11, request.headers["content-type"])
    assert (audio, form.fields) == (AUDIO, {"label": ["bell"]})
    assert form.first == File('声音 "1".wav', "audio/wav")


@pytest.mark.parametrize("size", [1, 100, 10**6])
async def test_fields_behind_the_file_are_told_apart(size: int) -> None:
    """However the body is cut."""
    body = part("label", b"bell") + FILE + part("speaker", b"Ann") + END
    form, audio = await read(body, size, allowed=Allowed(["label", "speaker"]))
    assert audio
    assert (form.fields, form.later) == ({"label": ["bell"]}, {"speaker": ["Ann"]})


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
async def test_many_files_come_one_after_the_other(size: int) -> None:
    """Each with its head before its bytes, also where it has none."""
    files = [("a.wav", AUDIO[:5000]), ("", b""), ("b.wav", b"x"), ("a.wav", AUDIO[:9])]
    parts = [part("audio", audio, f'; filename="{name}"') for name, audio in files]
    body = part("label", b"x") + b"".join(parts) + END
    form = await read_form(KIND, in_pieces(body, size), Allowed(["label"], files=4))
    found: list[tuple[str, bytes]] = []
    async for piece in form.pieces():
        if isinstance(piece, File):
            found.append((piece.name, b""))
        else:
            name, audio = found.pop()
            found.append((name, audio + piece))
    assert found == files
    assert (form.first.name, form.fields) == ("a.wav", {"label": ["x"]})


@pytest.mark.parametrize("size", [1, 10**6])
async def test_files_and_fields_have_limits_of_their_own(size: int) -> None:
    """One file too many, a field too many, a field between two files."""
    three = Allowed(["label"], files=3)
    file = part("audio", b"x")
    for body, told in (
        (file * 4, "more than 3 files"),
        (part("label", b"x") * (MAX_FIELDS + 3) + file, "twice"),
        (file + part("other", b"x") + file, "no such field"),
    ):
        with pytest.raises(ServiceError, match=told):
            await read(body + END, size, allowed=three)
    many = Allowed(others=True, files=3)
    with pytest.raises(ServiceError, match="more than 34 fields"):
        await read(part("f", b"") * (MAX_FIELDS + 2) + file + END, size, allowed=many)
    form, _ = await read(file + part("label", b"x") + file + END, size, allowed=three)
    assert form.later == {"label": ["x"]}


async def test_a_list_may_come_more_than_once() -> None:
    """In its order; other fields may not."""
    allowed = Allowed(["speaker", "k"], ["speaker"])
    body = part("speaker", b"Bob") + part("k", b"1") + part("speaker", b"Ann")
    form, _ = await read(body + FILE + END, allowed=allowed)
    assert form.fields == {"speaker": ["Bob", "Ann"], "k": ["1"]}
    with pytest.raises(ServiceError, match="twice"):
        await read(part("k", b"1") + body + FILE + END, allowed=allowed)


async def test_an_empty_file_is_a_file() -> None:
    """The form does not judge its meaning."""
    assert (await read(part("audio", b"") + END))[1] == b""


async def test_other_fields_can_be_passed_over() -> None:
    """They are neither kept nor refused."""
    form, audio = await read(part("Device", b"1") * 2 + FILE + END, allowed=OTHERS)
    assert audio
    assert not form.fields


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\x.wav", "x.wav"),
        ("%22x%0D%0A%25.wav", '"x\r\n%25.wav'),
        ("/", ""),
    ],
)
async def test_a_file_name_has_no_folders(sent: str, name: str) -> None:
    """It is for people, and as browsers escape it."""
    form, _ = await read(part("audio", AUDIO[:9], f'; filename="{sent}"') + END)
    assert form.first.name == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("filename*=UTF-8''%E4%BD%A0%E5%A5%BD.wav", "你好.wav"),
        ("filename*=utf-8'zh'%e4%bd%a0.wav", "你.wav"),
        ("filename*=\"utf-8''%E4%BD%A0.wav\"", "你.wav"),
        ("filename*=iso-8859-1''gr%FC%DFe.wav", "grüße.wav"),
        ("filename=\"%E4%BD%A0.wav\"; filename*=utf-8''%E4%BD%A0%E5%A5%BD.wav", "你好.wav"),
        ("filename*=utf-8''%E4%BD%A0%E5%A5%BD.wav; filename=\"x.wav\"", "你好.wav"),
        ("filename*=utf-8''..%2F..%2Fpasswd", "passwd"),
        ("filename*0*=utf-8''%E4%BD%A0; filename*1=\".wav\"", "你.wav"),
        ("filename=\"kept.wav\"; filename*=utf-8''%E4%BD", "kept.wav"),
        ('filename="kept.wav"; filename*=nonsense', "kept.wav"),
        ('filename="%E4%BD%A0%E5%A5%BD.wav"', "你好.wav"),
        ('filename="my%20bell%20%281%29.wav"', "my bell (1).wav"),
        ('filename="100% \\"x%20.wav"', '100% "x%20.wav'),
        ('filename="%FF%FE.wav"', "%FF%FE.wav"),
        ('filename="=?utf-8?B?5L2g5aW9Lndhdg==?="', "你好.wav"),
        ('filename="=?UTF-8?Q?gr=C3=BC=C3=9Fe.wav?="', "grüße.wav"),
        ('filename="=?gb18030?B?xOO6ww==?= =?utf-8?Q?.wav?="', "你好.wav"),
        ('filename="=?nothing?B?5L2g?="', "=?nothing?B?5L2g?="),
    ],
)
async def test_a_file_name_is_read_however_it_is_written(sent: str, name: str) -> None:
    """As aiohttp, requests, mail programs and browsers write names beyond ASCII."""
    form, _ = await read(part("audio", AUDIO[:9], f"; {sent}") + END)
    assert form.first.name == name


def _many() -> bytes:
    return b"".join(part(f"f{number}", b"") for number in range(MAX_FIELDS + 1))


BROKEN = {
    "nothing": b"",
    "no form": b"RIFF....WAVE",
    "another boundary": (FILE + END).replace(b"--b", b"--a"),
    "no file": part("label", b"x") + END,
    "no part": END,
    "cut in the first headers": FILE[:30],
    "cut in the file": FILE[:9000],
    "cut before the last boundary": FILE,
    "cut in the last boundary": FILE + b"--b-",
    "two files": FILE + FILE + END,
    "a field twice": part("label", b"a") + part("label", b"b") + FILE + END,
    "a field again behind": part("label", b"a") + FILE + part("label", b"b") + END,
    "an unknown field": part("lable", b"a") + FILE + END,
    "an unknown field behind": FILE + part("lable", b"a") + END,
    "a field that is not UTF-8": part("label", b"\xff") + FILE + END,
    "a part without a name": b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" + FILE + END,
    "a header without end": b"--b\r\nX-Y: " + b"z" * 10_000 + b"\r\n\r\n" + FILE + END,
    "many headers": b"--b\r\n" + b"X-Y: z\r\n" * 100 + b"\r\n\r\n" + FILE + END,
    "a header that is none": b"--b\r\n\0\0: z\r\n\r\n" + FILE + END,
    "much text": part("label", b"x" * (MAX_TEXT_BYTES + 1)) + FILE + END,
    "much text behind": FILE + part("label", b"x" * (MAX_TEXT_BYTES + 1)) + END,
}


@pytest.mark.parametrize("size", [1, 5000, 10**7])
@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_form_is_refused_in_words(name: str, size: int) -> None:
    """FIELD_INVALID, and the field's name."""
    if size == 1 and len(BROKEN[name]) > 30_000:
        size = 100
    with pytest.raises(ServiceError) as raised:
        await read(BROKEN[name], size)
    assert raised.value.reason is Reason.FIELD_INVALID
    assert raised.value.metadata["field"]
    assert len(raised.value.message) < 300


async def test_too_many_fields_are_refused_even_where_they_are_passed_over() -> None:
    """As is too much text."""
    for body in (_many(), part("f", b"x" * (MAX_TEXT_BYTES + 1))):
        with pytest.raises(ServiceError, match="more than"):
            await read(body + FILE + END, allowed=OTHERS)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "audio/wav",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/mixed; boundary=b",
        "multipart/form-data; boundary=" + "b" * 300,
    ],
)
async def test_a_body_without_a_usable_boundary_is_refused(kind: str) -> None:
    """FIELD_INVALID of the header."""
    with pytest.raises(ServiceError) as raised:
        await read(FILE + END, kind=kind)
    assert raised.value.metadata == {"field": "content-type"}


async def test_memory_is_flat_however_long_the_file() -> None:
    """64 MiB pass through in less than 2 MiB."""
    block = bytes(2**16)

    def body() -> Iterator[bytes]:
        yield part("label", b"x") + b'--b\r\nContent-Disposition: form-data; name="audio"\r\n\r\n'
        for _ in range(1024):
            yield block
        yield b"\r\n" + END

    async def pieces() -> AsyncIterator[bytes]:
        for piece in body():
            yield piece

    tracemalloc.start()
    form = await read_form(KIND, pieces(), LABELLED)
    size = 0
    async for piece in form.chunks():
        size += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == 2**26
    assert peak < 2**21
