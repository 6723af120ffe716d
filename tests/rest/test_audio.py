"""Recordings over REST: uploads in every form, downloads with ranges."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path

import httpx
import numpy as np
import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.sounds import silence, wav, webm


def clips(library: str) -> str:
    """Path of a library's clips."""
    return f"/v1/libraries/{library}/clips"


def test_a_form_is_taken(rest: Rest, library: str) -> None:
    """Fields first, then the file, whose name is the clip's unless another is given."""
    answer = rest.http.post(
        clips(library),
        data={"label": "bell", "speaker": "O'Hara"},
        files={"audio": ('声音 "🔔".wav', wav(), "audio/wav")},
    )
    assert answer.json()["created"] is True
    clip = answer.json()["clip"]
    assert clip["displayName"] == '声音 "🔔".wav'
    assert (clip["label"], clip["speaker"]) == ("bell", "O'Hara")
    assert clip["state"] == "STATE_ACTIVE"
    assert clip["audioObject"]["sha256"] == hashlib.sha256(wav()).hexdigest()
    assert clip["audio"]["duration"] == "2.200s"
    named = rest.http.post(
        clips(library), data={"displayName": "mine"}, files={"audio": ("x", wav("sword_clash"))}
    )
    assert named.json()["clip"]["displayName"] == "mine"


def test_a_raw_body_is_taken(rest: Rest, library: str) -> None:
    """The other fields are in the query, and any media type is accepted."""
    answer = rest.http.post(
        clips(library),
        params={"displayName": "a&b=c", "label": "bell"},
        content=wav(),
        headers={"content-type": "audio/wav"},
    )
    clip = answer.json()["clip"]
    assert (clip["displayName"], clip["label"]) == ("a&b=c", "bell")
    again = rest.http.post(clips(library), content=iter([wav()[:999], wav()[999:]]))
    assert again.json()["created"] is False
    assert again.json()["clip"] == clip


def test_a_config_tells_more(rest: Rest, library: str) -> None:
    """UploadClipConfig in JSON, such as metadata; it can not lead elsewhere."""
    config = {
        "parent": "libraries/other",
        "clip": {"metadata": {"session": "7"}, "label": "bell", "name": "libraries/x/clips/y"},
    }
    answer = rest.http.post(
        clips(library), data={"config": json.dumps(config)}, files={"audio": wav()}
    )
    clip = answer.json()["clip"]
    assert clip["metadata"] == {"session": "7"}
    assert clip["name"].startswith(f"libraries/{library}/clips/")


def test_what_a_browser_records_is_taken_and_comes_back(rest: Rest, library: str) -> None:
    """Opus in WebM of unknown length."""
    answer = rest.http.post(
        clips(library), files={"audio": ("blob", webm(), "audio/webm;codecs=opus")}
    )
    clip = answer.json()["clip"]
    assert clip["audio"]["sampleRate"] == 48_000
    assert float(clip["audio"]["duration"].rstrip("s")) == pytest.approx(2.2, abs=0.1)
    sent = rest.http.get(f"/v1/{clip['name']}/audio")
    assert sent.content == webm()
    assert sent.headers["content-type"] in ("audio/webm", "video/webm")


def test_duplicates_can_be_refused(rest: Rest, library: str) -> None:
    """CLIP_EXISTS names the clip that is there."""
    clip = rest.upload(library)
    body = {"data": {"duplicates": "DUPLICATE_POLICY_FAIL"}, "files": {"audio": wav()}}
    told = refused(rest.http.post(clips(library), **body), 409, Reason.CLIP_EXISTS)
    assert told["clip"] == clip["name"]


def test_a_request_id_makes_one_clip(rest: Rest, library: str) -> None:
    """A client that lost the answer may ask again."""
    answers = [
        rest.http.post(clips(library), params={"requestId": "once"}, content=wav()).json()
        for _ in range(2)
    ]
    assert answers[0]["clip"]["name"] == answers[1]["clip"]["name"]
    assert [answer["created"] for answer in answers] == [True, False]


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (b"", Reason.AUDIO_UNDECODABLE),
        (b"<html></html>" * 99, Reason.AUDIO_UNDECODABLE),
        (wav()[:44], Reason.AUDIO_UNDECODABLE),
        (silence(), Reason.AUDIO_SILENT),
        (silence(0.01), Reason.AUDIO_TOO_SHORT),
    ],
)
@pytest.mark.parametrize("form", [True, False])
def test_bad_audio_is_told_apart(
    rest: Rest, library: str, audio: bytes, reason: Reason, form: bool
) -> None:
    """In a form and raw; nothing of it stays but the clip that says why."""
    body = {"files": {"audio": audio}} if form else {"content": audio}
    refused(rest.http.post(clips(library), **body), 400, reason)
    assert rest.http.get(clips(library)).json()["clips"] == []
    failed = rest.http.get(clips(library), params={"filter.state": "STATE_FAILED"}).json()
    assert [clip["failure"]["reason"] for clip in failed["clips"]] == [reason.value]


def _part(name: str, content: bytes, extra: str = "") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + content + b"\r\n"


BROKEN = {
    "no boundary": ("multipart/form-data", _part("audio", wav())),
    "no file": ("multipart/form-data; boundary=b", _part("label", b"x") + b"--b--"),
    "cut": ("multipart/form-data; boundary=b", _part("audio", wav())),
    "other boundary": ("multipart/form-data; boundary=c", _part("audio", wav()) + b"--b--"),
    "two files": ("multipart/form-data; boundary=b", _part("audio", wav()) * 2 + b"--b--"),
    "unknown field": (
        "multipart/form-data; boundary=b",
        _part("lable", b"x") + _part("audio", wav()) + b"--b--",
    ),
    "field behind the file": (
        "multipart/form-data; boundary=b",
        _part("audio", wav()) + _part("label", b"x") + b"--b--",
    ),
    "bad config": (
        "multipart/form-data; boundary=b",
        _part("config", b"{") + _part("audio", wav()) + b"--b--",
    ),
    "long field": (
        "multipart/form-data; boundary=b",
        _part("label", b"x" * 256) + _part("audio", wav()) + b"--b--",
    ),
    "not a form": ("multipart/form-data; boundary=b", wav()),
    "mixed": ("multipart/mixed; boundary=b", _part("audio", wav()) + b"--b--"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_form_is_refused_and_leaves_nothing(rest: Rest, library: str, name: str) -> None:
    """FIELD_INVALID, also where it shows only behind the audio."""
    kind, body = BROKEN[name]
    answer = rest.http.post(clips(library), content=body, headers={"content-type": kind})
    refused(answer, 400, Reason.FIELD_INVALID)
    for state in ("STATE_ACTIVE", "STATE_CREATING"):
        listed = rest.http.get(clips(library), params={"filter.state": state})
        assert listed.json()["clips"] == []


@pytest.fixture(scope="module")
def audio(rest: Rest) -> str:
    """The path of a clip's audio."""
    return f"/v1/{rest.upload(rest.library(), displayName='Glocke ü.wav')['name']}/audio"


def test_audio_comes_back_as_it_went_in(rest: Rest, audio: str) -> None:
    """With its type, name, tag and length."""
    answer = rest.http.get(audio)
    assert answer.content == wav()
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(wav()))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{hashlib.sha256(wav()).hexdigest()}"'
    assert "Glocke%20%C3%BC.wav" in answer.headers["content-disposition"]
    head = rest.http.head(audio)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag", "accept-ranges"):
        assert head.headers[name] == answer.headers[name]


SIZE = len(wav())


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        (f"bytes=10-{SIZE * 9}", 10, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        (f"bytes=-{SIZE * 9}", 0, SIZE - 1),
    ],
)
def test_ranges_are_sent(rest: Rest, audio: str, asked: str, first: int, last: int) -> None:
    """206, and where they lie."""
    answer = rest.http.get(audio, headers={"range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.content == wav()[first : last + 1]
    head = rest.http.head(audio, headers={"range": asked})
    assert head.headers["content-length"] == str(last + 1 - first)


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=a-b", "bytes=-", "words=0-5", "bytes=0-1,5-9", "0-5", ""]
)
def test_what_is_no_range_means_all(rest: Rest, audio: str, asked: str) -> None:
    """As RFC 9110 wants it."""
    answer = rest.http.get(audio, headers={"range": asked})
    assert (answer.status_code, len(answer.content)) == (200, SIZE)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=99999999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(rest: Rest, audio: str, asked: str) -> None:
    """416, with the size."""
    answer = rest.http.get(audio, headers={"range": asked})
    refused(answer, 416, Reason.RANGE_INVALID)
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_conditions_are_heeded(rest: Rest, audio: str) -> None:
    """If-None-Match and If-Range."""
    tag = rest.http.head(audio).headers["etag"]
    unchanged = rest.http.get(audio, headers={"if-none-match": f'"other", {tag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert rest.http.get(audio, headers={"if-none-match": '"other"'}).status_code == 200
    for condition, status in ((tag, 206), ('"other"', 200)):
        headers = {"range": "bytes=0-3", "if-range": condition}
        assert rest.http.get(audio, headers=headers).status_code == status


def test_the_outline_of_a_clip_is_kept(rest: Rest, library: str) -> None:
    """Made with the clip; for one from before there were outlines, when it is asked for."""
    path = f"/v1/{rest.upload(library)['name']}"
    first = rest.http.get(f"{path}/peaks").json()["values"]
    peaks = np.frombuffer(base64.b64decode(first), np.uint8)
    assert (len(peaks), peaks.max()) == (300, 255)
    assert peaks[:30].mean() > 3 * peaks[-30:].mean()  # a stroke of a bell
    (file,) = rest.stack.data_dir.rglob("catalog.sqlite3")
    kept = "SELECT peaks FROM clips WHERE id = ?", [path.rpartition("/")[2]]
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE clips SET peaks = NULL WHERE id = ?", kept[1])
        before = rest.http.get(path).json()
        assert rest.http.get(f"{path}/peaks").json()["values"] == first
        assert database.execute(*kept).fetchone() == (peaks.tobytes(),)
    assert rest.http.get(path).json() == before


def test_a_failed_clip_has_no_audio(rest: Rest, library: str) -> None:
    """AUDIO_NOT_FOUND, also for HEAD."""
    rest.http.post(clips(library), content=silence())
    (failed,) = rest.http.get(clips(library), params={"filter.state": "STATE_FAILED"}).json()[
        "clips"
    ]
    path = f"/v1/{failed['name']}/audio"
    refused(rest.http.get(path), 404, Reason.AUDIO_NOT_FOUND)
    refused(rest.http.get(f"/v1/{failed['name']}/peaks"), 404, Reason.AUDIO_NOT_FOUND)
    assert rest.http.head(path).status_code == 404


@pytest.mark.parametrize("name", ["../../x", "x' or '1'='1", "a\r\nb: c", "/etc/passwd", "\0"])
def test_hostile_file_names_are_only_names(rest: Rest, library: str, name: str) -> None:
    """Stored as text if they can be, and never as a header or a file of ours."""
    body = b"".join(
        [
            b'--b\r\nContent-Disposition: form-data; name="audio"; filename="',
            name.replace("\r\n", "%0D%0A").encode(),
            b'"\r\n\r\n',
            wav(),
            b"\r\n--b--\r\n",
        ]
    )
    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = rest.http.post(clips(library), content=body, headers=kind)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        sent = rest.http.get(f"/v1/{answer.json()['clip']['name']}/audio")
        assert sent.content == wav()
        assert "b" not in sent.headers
    written = [path for path in rest.stack.data_dir.rglob("*") if path.name in ("x", "passwd")]
    assert not written
    assert not Path("/tmp/x' or '1'='1").exists()  # noqa: S108


def test_pages_of_other_kinds_are_not_shown_by_browsers(rest: Rest, library: str) -> None:
    """The type of any file is one of audio, and no browser may guess another."""
    clip = rest.upload(library)
    sent = rest.http.get(f"/v1/{clip['name']}/audio")
    assert sent.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in sent.headers["content-security-policy"]
    assert isinstance(sent, httpx.Response)
