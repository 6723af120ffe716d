"""The web client takes the same files for sounds as the server's imports do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from serving.audio_signs import begins, has_ending
from tests.conftest import REPOSITORY

MODULE = REPOSITORY / "clients/audiosearch_web/parts/sounds.js"
CODE = """
const { begins, kindPassedOver } = await import(Deno.args[0]);
const { heads, names } = JSON.parse(await new Response(Deno.stdin.readable).text());
const kindOf = (path, head) => kindPassedOver({
  path, name: path.split("/").at(-1), file: () => Promise.resolve(new Blob([head])),
});
console.log(JSON.stringify({
  begun: heads.map((head) => begins(Uint8Array.from(head))),
  kinds: await Promise.all(names.map(([path, head]) => kindOf(path, Uint8Array.from(head)))),
}));
"""
FOURS = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b"fLaC", b"OggS", b"caff", b"FLV\1", b"ID3\4"),
    *(b"FORM", b"FRM8", b"DSD ", b"\x1aE\xdf\xa3", b"\x30\x26\xb2\x75", b"\0\0\1\xba", b"#!AM"),
    *(b"NIST", b"Crea", b".snd", b"dns.", b".SoX", b"wvpk", b"TTA1", b"MAC ", b"MPCK", b"\0\0\0 "),
    *(b"\x0b\x77\n\n", b"\x7f\xfe\x80\x01", b"\xff\xfe\n\n", b"\r\n\xe2\x80", b""),
    *(b"2BIT", b" paf", b"fap ", b"ALaw", b"\xf0\x7e\n\1", b"Exte"),
)
RESTS = (
    *(
        b"....WAVE",
        b"....AVI ",
        b"....WEBP",
        b"....AIFF",
        b"ftypM4A ",
        b"ftypheic",
        b"moov",
        b"free",
    ),
    *(
        b"_1A",
        b"tive Voice File",
        b"SoundFile**",
        b"nded Instrument: ",
        b"R\n",
        b"\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",
    ),
    *(b"\x8e\x66\xcf\x11\xa6\xd9", (b"G" + bytes(191)) * 3, b"\x85\xff\n", b"........DSD ", b""),
)


def asked(heads: list[bytes], names: list[tuple[str, bytes]]) -> dict[str, list[object]]:
    """The answers of the web client's module."""
    content = {"heads": [*map(list, heads)], "names": [(name, [*head]) for name, head in names]}
    done = subprocess.run(
        [Path(sys.executable).with_name("deno"), "eval", CODE, MODULE.as_uri()],
        input=json.dumps(content),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, list[object]] = json.loads(done.stdout)
    return answer


def test_first_bytes_are_judged_alike() -> None:
    """Every two bytes, and beginnings of many formats with what may follow."""
    heads = [bytes((255, second, third, 0)) for second in range(256) for third in range(256)]
    heads += [four + rest for four in FOURS for rest in RESTS]
    expected = [begins(head) for head in heads]
    assert asked(heads, [])["begun"] == expected
    assert 100 < sum(expected[65536:]) < len(expected[65536:]) - 100


def test_kinds_are_told_as_imports_tell_them() -> None:
    """Endings, first bytes, hidden files below the folder, and what has no ending."""
    cases = {
        "top/a.WAV": "",
        "top/b.3gp": "",
        "top/sound": "",
        "top/notes.TXT": ".txt",
        "top/README": "other",
        "top/._a.wav": "hidden",
        "top/.git/a.wav": "hidden",
        "top/__MACOSX/a.wav": "hidden",
        ".top/a.wav": "",
        "._a.wav": "hidden",
        "top/Mr. Smith": "other",
    }
    names = [(path, b"caff\0\1" if path == "top/sound" else b"text") for path in cases]
    assert asked([], names)["kinds"] == [*cases.values()]
    assert has_ending("b.3gp")
