"""Signs of files that are no audio, so that a refusal names what was sent and says what to do."""

from __future__ import annotations

import codecs
import re

from serving.audio_signs import begins

READABLE = "send wav, flac, mp3, ogg, opus, m4a, aiff or webm"
UNKNOWN = f"no known audio format, or a damaged file; {READABLE}"
ENCRYPTED = (
    "this audio is encrypted or protected against copying, and only its own player can read it: "
    "send a copy without protection"
)
NO_SOUND = f"this is a video without sound: {READABLE}"

_MARKUP = rb"\s*(?:<\?[^>]{0,200}\?>\s*|<!--.{0,300}?-->\s*)*"
_KINDS = (
    (
        "a play list",
        "it only names recordings; send those",
        rb"(?i:#EXTM3U|\[(?:playlist|reference)\]|ffconcat |v=0\r?\no=)"
        rb"|(?i:" + _MARKUP + rb"<(?:playlist|asx|smil|mpd)\b)"
        rb"|(?:(?:REM|TITLE|PERFORMER|CATALOG) [^\n]*\n)*FILE \"",
    ),
    (
        "a pointer of Git LFS",
        "fetch the recording that it stands for with `git lfs pull`",
        rb"version https://git-lfs\.",
    ),
    (
        "a page of HTML",
        f"a server may have sent it in place of a recording; {READABLE}",
        rb"(?i:" + _MARKUP + rb"<(?:!doctype html|html|head|body|title|script)\b)",
    ),
    (
        "a picture",
        READABLE,
        rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|BM....\0\0\0\0|II\*\0|MM\0\*|8BPS|RIFF....WEBP"
        rb"|\0\0[\x01\x02]\0[^\0]\0|\0\0\0\x0c(?:jP  |JXL )|....ftyp(?:hei|hev|mif|msf|avi|crx|jp)"
        rb"|(?i:" + _MARKUP + rb"(?:<!doctype svg[^>]*>\s*)?<svg\b)",
    ),
    ("a PDF document", READABLE, rb"\s{0,8}%PDF-"),
    (
        "a document",
        READABLE,
        (
            rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|\{\\rtf|%!PS"
            rb"|PK\x03\x04.{26}(?:mimetypeapplication|\[Content_Types\]|_rels/)"
        ),
    ),
    (
        "music as notes (MIDI or the like)",
        "have an instrument play it, and send what it plays",
        rb"MThd|RIFF....RMID|Extended Module: |IMPM|.{44}SCRM|X:[ \d]+\r?\nT:"
        rb"|(?i:" + _MARKUP + rb"(?:<!doctype score[^>]*>\s*)?<score-)",
    ),
    (
        "an archive",
        "unpack it, and send the recordings in it",
        (
            rb"PK(?:\x03\x04|\x05\x06|\x07\x08)|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x1f\x8b[\0-\x08]|BZh[1-9]1AY"
            rb"|\xfd7zXZ\0|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|MSCF|LZIP|!<arch>\n|.{257}ustar"
        ),
    ),
    (
        "an array or a table of numbers",
        "write its samples as a wav file",
        rb"\x93NUMPY|\x89HDF\r\n|PAR1|ARROW1|SQLite format 3\0|\x80[\x02-\x05][\x95\]}(c]",
    ),
    ("a program", READABLE, rb"\x7fELF|MZ[\x50\x90]\0|\xcf\xfa\xed\xfe|#! ?/"),
    ("JSON", READABLE, rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]\d-])"),
    ("XML", READABLE, rb"\s*<\?xml\b"),
)
_SIGNS = tuple(
    (re.compile(pattern, re.DOTALL), f"this is {kind}, not audio: {advice}")
    for kind, advice, pattern in _KINDS
)
_SHOPS = re.compile(rb"CTENFDAM|\x7c\xd5\x32\xeb\x86\x02\x7f\x4b|....\x57\x90\x75\x36", re.DOTALL)
"""Begin files of shops that encrypt the whole: NetEase, KuGou, Audible."""

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROTECTIONS = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
"""Begin the description of its protection in the head of a WMA file: the old and the new form."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"", "utf-8"),
)
"""Byte order marks and the encodings of text that they tell."""


def refusal(head: bytes) -> str:
    """The sentence that refuses a file by its first bytes; empty if it may be audio."""
    if head.startswith(_ASF):
        return ENCRYPTED if any(each in head for each in _ASF_PROTECTIONS) else ""
    if begins(head):
        return ""
    if _SHOPS.match(head):
        return ENCRYPTED
    text = _text(head)
    shown = text.encode() if text else head
    for sign, sentence in _SIGNS:
        if sign.match(shown):
            return sentence
    return f"this is text, not audio: {READABLE}" if text.strip() else ""


def _text(head: bytes) -> str:
    """The text that a file begins with; empty if it is none."""
    mark, encoding = next(each for each in _MARKS if head.startswith(each[0]))
    try:
        # The last character may be cut off.
        text = codecs.getincrementaldecoder(encoding)().decode(head[len(mark) :])
    except UnicodeDecodeError:
        return ""
    return text if all(each.isprintable() or each.isspace() for each in text) else ""
