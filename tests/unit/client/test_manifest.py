"""Manifests: what they tell, and how their mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiosearch_client.corpora.sources import manifest_source

from serving.errors import Reason, ServiceError


def made(tmp_path: Path, name: str, text: str | bytes) -> Path:
    """A manifest with this text."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_csv(tmp_path: Path) -> None:
    """Columns in any order, quotes, lines of Windows, a mark of byte order, empty lines."""
    text = (
        "\ufeffpath,metadata.room,label,speaker,display_name\r\n"
        'a/one.wav,"hall, large",door,,First\r\n'
        "\r\n"
        "two.flac,,,ann,\r\n"
    )
    source = manifest_source(made(tmp_path, "list.CSV", text), "spare")
    one, two = source.entries()
    assert source.root == tmp_path.resolve()
    assert (one.path, one.label, one.speaker, one.display_name) == (
        "a/one.wav",
        "door",
        "",
        "First",
    )
    assert one.metadata == {"path": "a/one.wav", "room": "hall, large"}
    assert (two.label, two.speaker, two.display_name) == ("spare", "ann", "two.flac")
    assert two.metadata == {"path": "two.flac"}
    assert [entry.path for entry in source.entries()] == ["a/one.wav", "two.flac"]


def test_jsonl(tmp_path: Path) -> None:
    """Numbers are taken as text."""
    text = (
        '{"path": "./one.wav", "label": 7, "metadata": {"fold": 3}}\n\n'
        '{"path": "b/two.wav", "speaker": "Åse"}'
    )
    one, two = manifest_source(made(tmp_path, "list.jsonl", text)).entries()
    assert (one.path, one.label, one.metadata["fold"]) == ("one.wav", "7", "3")
    assert (two.path, two.speaker) == ("b/two.wav", "Åse")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "file,label\nx.wav,a\n", "line 1: the columns are path"),
        ("m.csv", "path,label,label\n", "line 1"),
        ("m.csv", "path,lable\n", "not 'lable'"),
        ("m.csv", "path,metadata.\n", "line 1"),
        ("m.csv", "path,label\nx.wav\n", "line 2: 1 fields, where the first line has 2"),
        ("m.csv", "path\nx.wav\n/etc/passwd\n", "line 3: path: '/etc/passwd'"),
        ("m.csv", "path\na/../../x.wav\n", "line 2: path"),
        ("m.csv", "path\nfile:///etc/x.wav\n", "line 2: path: 'file:///etc/x.wav' is the URL"),
        ("m.csv", "path\ns3://far/x.wav\n", "line 2: path: objects of an object store"),
        ("m.csv", 'path\n"x.wav\n', "line"),
        ("m.csv", "path\n", "names no file"),
        ("m.csv", "", "names no file"),
        ("m.csv", b"path\n\xff\xfe.wav\n", "not UTF-8"),
        ("m.csv", "path\n" + "x" * 1_000_001, "line 2: it is longer"),
        ("m.jsonl", '{"path": "x.wav"}\n{"path": \n', "line 2: no JSON"),
        ("m.jsonl", '{"label": "x"}\n', "line 1: path: this field is required"),
        ("m.jsonl", '{"path": "x.wav", "lable": "x"}\n', "line 1: lable"),
        ("m.jsonl", '{"path": "x.wav", "metadata": ["x"]}\n', "line 1: metadata"),
        ("m.jsonl", '{"path": "x.wav", "metadata": {"a": ["x"]}}\n', "line 1: metadata.a: neither"),
        ("m.jsonl", '{"path": "x.wav", "label": true}\n', "line 1: label: neither"),
        ("m.jsonl", '{"path": "x.wav", "label": null}\n', "line 1: label: neither"),
        ("m.jsonl", '["x.wav"]\n', "line 1"),
        ("m.jsonl", '{"path": ""}\n', "line 1: path"),
        ("m.jsonl", "[" * 100_000 + "\n", "line 1: no JSON"),
        ("m.txt", "x.wav\n", "has to end in .csv or .jsonl"),
    ],
)
def test_mistakes_are_told_by_line(
    tmp_path: Path, name: str, text: str | bytes, words: str
) -> None:
    """Before anything is imported."""
    with pytest.raises(ServiceError) as refused:
        manifest_source(made(tmp_path, name, text))
    assert refused.value.reason is Reason.FIELD_INVALID
    assert words in refused.value.message
    assert len(refused.value.message) < 2000


def test_of_many_mistakes_the_first_are_told(tmp_path: Path) -> None:
    """All at once, so that they can be mended together."""
    with pytest.raises(ServiceError, match=r"line 2: .*line 11: .*; and 20 lines more"):
        manifest_source(made(tmp_path, "m.csv", "path\n" + "../x.wav\n" * 30))


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    """Is a typed error too."""
    with pytest.raises(ServiceError) as refused:
        manifest_source(tmp_path / "none.csv")
    assert refused.value.reason is Reason.PATH_NOT_FOUND
