"""Requests of clients of PaddleSpeech's audio_searching demo, and the answers that they rely on.

`python -m tests.rest.earlier_demo FOLDER [http://localhost:8002]` runs it against a
gateway that may import from FOLDER (`audiosearch serve --allow FOLDER`). If it needs a key,
AUDIOSEARCH_API_KEY holds it.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

TABLE = "earlier_demo"


class Form:
    """A form with text fields and, behind them, a file."""

    def __init__(self, file: Path, **fields: str) -> None:
        """Writes the form."""
        boundary = uuid.uuid4().hex
        head = f"--{boundary}\r\nContent-Disposition: form-data; name="
        text = [f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
        opening = f'{head}"audio"; filename="{file.name}"\r\n\r\n'
        before = "".join([*text, opening]).encode()
        self.content = before + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        self.kind = f"multipart/form-data; boundary={boundary}"


def ask(method: str, url: str, body: object = None) -> tuple[bytes, str]:
    """Body and media type of an answer; an answer that is no success raises.

    The body that is sent is a form, or anything else as JSON.
    """
    request = urllib.request.Request(url, method=method)  # noqa: S310  http or https, as given
    key = os.environ.get("AUDIOSEARCH_API_KEY")
    if key:
        request.add_header("authorization", f"Bearer {key}")
    if isinstance(body, Form):
        request.data, kind = body.content, body.kind
        request.add_header("content-type", kind)
    elif body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
        return answer.read(), answer.headers.get_content_type()


def call(method: str, url: str, body: object = None) -> Any:
    """The answer of a route, read from JSON."""
    return json.loads(ask(method, url, body)[0])


def sounds(folder: Path, base: str) -> None:
    """Loads a folder, counts, searches, plays the best match and drops the table."""
    files = sorted(folder.iterdir())
    table = urllib.parse.urlencode({"table_name": TABLE})

    loaded = call("POST", f"{base}/audio/load", {"Table": TABLE, "File": str(folder)})
    assert loaded == {"status": True, "msg": "Successfully loaded data!"}, loaded
    assert call("GET", f"{base}/progress") == f"current: {len(files)}, total: {len(files)}"
    assert call("GET", f"{base}/audio/count?{table}") == len(files)

    query = urllib.parse.urlencode({"query_audio_path": str(files[0])})
    found = call("POST", f"{base}/audio/search/local?{query}&{table}")
    assert len(found) == min(10, len(files)), found
    for url, (name, score) in found:
        sys.stdout.write(f"{score:7.2f}  {name}  {url}\n")
    url, (name, score) = found[0]
    assert name == files[0].name
    assert round(score, 2) == 100
    assert [row[1][1] for row in found] == sorted((row[1][1] for row in found), reverse=True)
    uploaded = call("POST", f"{base}/audio/search?{table}", Form(files[0]))
    assert [row[0] for row in uploaded] == [row[0] for row in found]

    audio, kind = ask("GET", url)
    assert audio == files[0].read_bytes()
    assert kind.startswith("audio/"), kind

    assert call("POST", f"{base}/audio/drop?{table}") == "ok"
    assert call("GET", f"{base}/audio/count?{table}") is None


def voices(folder: Path, base: str) -> None:
    """Enrolls two speakers, recognises one, plays it, lists, counts, deletes and drops."""
    first, *_, last = sorted(folder.iterdir())
    table = urllib.parse.urlencode({"table_name": TABLE})
    local = urllib.parse.urlencode({"spk_id": "spk2", "audio_path": str(last)})
    enrolled = {"status": True, "msg": "Successfully enroll data!"}

    form = Form(first, spk_id="Müller 1")
    assert call("POST", f"{base}/vpr/enroll?{table}", form) == enrolled
    assert call("POST", f"{base}/vpr/enroll/local?{table}&{local}") == enrolled

    found = call("POST", f"{base}/vpr/recog?{table}", Form(first))
    spk_id, (url, score) = found[0]
    sys.stdout.write(f"{score:7.2f}  {spk_id}  {url}\n")
    assert (spk_id, round(score, 2)) == ("Müller 1", 100)
    assert ask("GET", url)[0] == first.read_bytes()
    query = urllib.parse.urlencode({"audio_path": str(last)})
    found = call("POST", f"{base}/vpr/recog/local?{table}&{query}")
    assert (found[0][0], round(found[0][1][1], 2)) == ("spk2", 100)

    assert call("GET", f"{base}/vpr/count?{table}") == 2
    ids, links = call("GET", f"{base}/vpr/list?{table}")
    assert sorted(ids) == ["Müller 1", "spk2"], ids
    heard = {spk_id: ask("GET", link)[0] for spk_id, link in zip(ids, links, strict=True)}
    assert heard == {"Müller 1": first.read_bytes(), "spk2": last.read_bytes()}
    for spk_id, audio in heard.items():
        assert ask("GET", f"{base}/vpr/data?{table}", {"spk_id": spk_id})[0] == audio

    deleted = {"status": True, "msg": "Successfully delete data!"}
    assert call("POST", f"{base}/vpr/del?{table}", {"spk_id": "Müller 1"}) == deleted
    assert call("GET", f"{base}/vpr/list?{table}")[0] == ["spk2"]
    dropped = {"status": True, "msg": "Successfully drop tables!"}
    assert call("POST", f"{base}/vpr/drop?{table}") == dropped


def main(folder: Path, base: str = "http://localhost:8002") -> None:
    """Makes all calls, and checks each answer."""
    sounds(folder, base)
    voices(folder, base)
    sys.stdout.write("every answer was as expected\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
