"""The web client tells of recordings that are too large in the words of the server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from serving.audio_size import too_large
from tests.conftest import REPOSITORY

MODULE = REPOSITORY / "clients/audiosearch_web/core/audio_size.js"
CODE = """
const { tooLarge } = await import(Deno.args[0]);
console.log(JSON.stringify(JSON.parse(Deno.args[1]).map((each) => tooLarge(...each))));
"""


def test_the_sentence_is_the_same() -> None:
    """For limits and sizes from bytes to gigabytes."""
    pairs = [
        (691_200_000, 691_200_001),
        (2**20, 2**20 + 1),
        (768 * 2**20, 900 * 2**20),
        (1400 * 2**20, 9_999_999_999),
    ]
    done = subprocess.run(
        [Path(sys.executable).with_name("deno"), "eval", CODE, MODULE.as_uri(), json.dumps(pairs)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [too_large(*pair).message for pair in pairs]
