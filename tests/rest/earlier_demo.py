"""What clients of PaddleSpeech's audio_searching demo ask, and the answers they count on.

`python -m tests.rest.earlier_demo FOLDER [http://localhost:8002]` runs it against a
gateway that may import from FOLDER (`audiosearch serve --allow FOLDER`). Where it needs a key,
AUDIOSEARCH_API_KEY holds it.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

TABLE = "earlier_demo"


def ask(method: str, url: str, body: object = None) -> tuple[bytes, str]:
    """Body and media type of an answer; an answer that is no success raises."""
    request = urllib.request.Request(url, method=method)  # noqa: S310  http or https, as given
    key = os.environ.get("AUDIOSEARCH_API_KEY")
    if key:
        request.add_header("authorization", f"Bearer {key}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310
        return answer.read(), answer.headers.get_content_type()


def main(folder: Path, base: str = "http://localhost:8002") -> None:
    """Loads a folder, counts, searches, plays the best match and drops the table."""
    files = sorted(folder.iterdir())
    table = urllib.parse.urlencode({"table_name": TABLE})

    def call(method: str, path: str, body: object = None) -> Any:
        return json.loads(ask(method, base + path, body)[0])

    loaded = call("POST", "/audio/load", {"Table": TABLE, "File": str(folder)})
    assert loaded == {"status": True, "msg": "Successfully loaded data!"}, loaded
    assert call("GET", "/progress") == f"current: {len(files)}, total: {len(files)}"
    assert call("GET", f"/audio/count?{table}") == len(files)

    query = urllib.parse.urlencode({"query_audio_path": str(files[0])})
    found = call("POST", f"/audio/search/local?{query}&{table}")
    assert len(found) == min(10, len(files)), found
    for url, (name, score) in found:
        sys.stdout.write(f"{score:7.2f}  {name}  {url}\n")
    url, (name, score) = found[0]
    assert name == files[0].name
    assert round(score, 2) == 100
    assert [row[1][1] for row in found] == sorted((row[1][1] for row in found), reverse=True)

    audio, kind = ask("GET", url)
    assert audio == files[0].read_bytes()
    assert kind.startswith("audio/"), kind

    assert call("POST", f"/audio/drop?{table}") == "ok"
    assert call("GET", f"/audio/count?{table}") is None
    sys.stdout.write("every answer was as expected\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
