"""Searches by command line and Python client: narrowed, in parts, in pages, with many files."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.gateway.v1.search_pb2 import (
    Examples,
    SearchClipsRequest,
    SearchConfig,
    VectorQuery,
)
from audiosearch_client import conditions, offsets

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import Run
from tests.end_to_end.command_line import run as run_command
from tests.end_to_end.conftest import Running
from tests.end_to_end.test_segments import conversation, cut


class Talks:
    """A library of two conversations of four voices, and two short clips."""

    def __init__(self, running: Running, folder: Path) -> None:
        """Uploads them."""
        self.running, self.client, self.name = running, running.client, running.library()
        self.folder, self.ids = folder, {}
        self.paths = {
            name: conversation(folder, f"{name}.wav", voices)
            for name, voices in {
                "Morning": [0, 1, 2, 3],
                "Evening": [4, 5, 6, 7],
                "two": [2],
                "six": [6],
            }.items()
        }
        for name, path in self.paths.items():
            told = Clip(
                label="talk" if name[0].isupper() else "voice",
                speaker=name if name.islower() else "",
                metadata={"length": str(len(name))},
            )
            self.ids[name] = self.client.upload(self.name, path, told).clip.name


@pytest.fixture(scope="module")
def talks(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> Talks:
    """Only for reading."""
    return Talks(shared, tmp_path_factory.mktemp("commands"))


@pytest.fixture
def run(talks: Talks, tmp_path: Path) -> Run:
    """Runs `audiosearch` with the library as the default one, in a folder of its own."""
    settings = {"AUDIOSEARCH_TARGET": talks.running.stack.target, "DEFAULT_TABLE": talks.name}
    return partial(run_command, cwd=tmp_path, **settings)


def names(text: str) -> list[str]:
    """Names of clips in an answer as JSON."""
    answer = json.loads(text)
    clips = answer.get("clips") or [match["clip"] for match in answer.get("matches", [])]
    return [clip["displayName"].removesuffix(".wav") for clip in clips]


def test_the_table_tells_where_a_long_clip_is_like_the_query(
    run: Run, talks: Talks, tmp_path: Path
) -> None:
    """A voice that speaks from the 12th to the 18th second; short clips have no place."""
    query = conversation(tmp_path, "query.wav", [6], take=1)
    table = run("search", query, "-k", 2).stdout
    place = re.search(r"Evening\.wav\s+24\.00 s\s+(\d\d:\d\d)-(\d\d:\d\d)\s", table)
    assert place is not None, table
    start, end = map(offsets.seconds_of, place.groups())
    assert abs(start - 12) <= 2
    assert abs(end - 18) <= 2
    assert re.search(r"six\.wav\s+6\.00 s\s+voice", table)
    assert "part of the query" not in table
    assert "next page: the same command with --page-token" in table


def test_the_table_tells_the_part_of_a_long_query_and_where_it_begins(
    run: Run, talks: Talks, tmp_path: Path
) -> None:
    """A cut of a conversation begins 6 s into it."""
    query = cut(tmp_path, talks.paths["Evening"], 6, 24)
    table = run("search", query, "-k", 4).stdout
    assert re.search(r"Evening\.wav\s+24\.00 s\s+00:06-00:24\s+00:06\s", table), table
    assert re.search(r"six\.wav\s+6\.00 s\s+00:0\d-00:1\d\s+voice", table), table


def test_a_part_of_a_clip_is_searched_with(run: Run, talks: Talks) -> None:
    """By the option `--range`; one that is no part is wrong usage."""
    part = ("search", "--clip", talks.ids["Morning"], "-k", 1, "--json", "--range")
    assert names(run(*part, "0:12-0:18").stdout) == ["two"]
    assert "ends before it begins" in run(*part, "0:18-0:12", code=2).stderr
    assert "FIELD_INVALID" in run(*part, "1:00-2:00", code=1).stderr


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--label", "talk"], {"Morning", "Evening"}),
        (["--label", "talk", "--label", "voice"], {"Morning", "Evening", "two", "six"}),
        (["--not-label", "talk"], {"two", "six"}),
        (["--speaker", "six"], {"six"}),
        (["--speaker", ""], {"Morning", "Evening"}),
        (["--name", "EVEN"], {"Evening"}),
        (["--min-duration", "0:10"], {"Morning", "Evening"}),
        (["--min-duration", "1", "--max-duration", "10"], {"two", "six"}),
        (["--metadata", "length=3", "--speaker", "two"], {"two"}),
        (["--not-enrolled", "--label", "voice"], {"two", "six"}),
        (["--is-enrolled"], set()),
        (["--enrolled", "nobody"], set()),
        (["--created-after", "2001-01-01", "--name", "six"], {"six"}),
        (["--created-before", "2001-01-01"], set()),
    ],
)
def test_searches_and_lists_are_narrowed_alike(
    run: Run, talks: Talks, options: list[str], left: set[str]
) -> None:
    """Clips are counted by the same options."""
    query = talks.folder / "Morning.wav"
    assert set(names(run("search", query, *options, "--json").stdout)) == left
    assert set(names(run("clip", "list", *options, "--json").stdout)) == left
    counted = json.loads(run("clip", "values", "label", *options, "--json").stdout)
    assert int(counted["clipCount"]) == len(left)


def test_metadata_is_a_key_and_a_value(run: Run) -> None:
    """Anything else is wrong usage."""
    assert "KEY=VALUE" in run("clip", "list", "--metadata", "length", code=2).stderr


def test_values_are_counted(run: Run) -> None:
    """For people, with the clips that have none."""
    told = run("clip", "values", "speaker").stdout
    assert re.search(r"2\s+\(none\)", told)
    assert "4 clips, 3 values" in told
    assert "2 values more" in run("clip", "values", "speaker", "--limit", 1).stdout
    assert "FIELD_INVALID" in run("clip", "values", "colour", code=1).stderr


def test_examples_groups_pages_and_more_libraries(run: Run, talks: Talks, sounds: Path) -> None:
    """Each by its options."""
    like = run("search", "--like", talks.ids["two"], "--unlike", talks.ids["six"], "--json").stdout
    assert names(like) == ["Morning", "Evening"]
    best = ("--strategy", "best-score", "-k", 1, "--json")
    assert names(run("search", "--like", talks.ids["six"], *best).stdout) == ["Evening"]
    assert "--like" in run("search", "--clip", "x", "--unlike", "y", code=2).stderr

    query = talks.paths["two"]
    grouped = json.loads(run("search", query, "--group-by", "label", "-k", 5, "--json").stdout)
    assert {match["group"] for match in grouped["matches"]} == {"talk", "voice"}
    assert len(grouped["matches"]) == 2
    table = run("search", query, "--group-by", "label", "--group-size", 2).stdout
    assert len(re.findall(r"\.wav", table)) == 4

    first = json.loads(run("search", query, "-k", 3, "--json").stdout)
    token = first["nextPageToken"]
    rest = names(run("search", query, "-k", 3, "--page-token", token, "--json").stdout)
    assert len(rest) == 1
    assert rest[0] not in names(json.dumps(first))

    other = talks.running.library()
    talks.client.upload(other, sounds / "bronze_bell_1.wav")
    found = names(run("search", query, "--also", other, "--json").stdout)
    assert "bronze_bell_1" in found
    plain = json.loads(run("search", query, "--segments", 0, "--json").stdout)
    assert not any(match["segments"] for match in plain["matches"])


def test_a_shared_sound_is_searched_with_again(run: Run, talks: Talks) -> None:
    """It answers as the file does, and the link stands beside the answer."""
    query = talks.paths["two"]
    plain = run("search", query, "-k", 2, "--json").stdout
    shared = run("search", query, "-k", 2, "--share", "--json")
    assert shared.stdout == plain
    link = re.search(r"--query (\w+) or http://\S+/#/search\?library=\S+&query=\1$", shared.stderr)
    assert link, shared.stderr
    assert run("search", "--query", link[1], "-k", 2, "--json").stdout == plain
    assert "QUERY_NOT_FOUND" in run("search", "--query", "00000000", code=1).stderr
    assert "--channel" in run("search", "--query", link[1], "--channel", 1, code=2).stderr
    assert "--share" in run("search", "--clip", "x", "--share", code=2).stderr


@pytest.fixture
def queries(talks: Talks, tmp_path: Path) -> Path:
    """A folder with two recordings, one of them under another name, a broken one, and a text."""
    folder = tmp_path / "queries"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(talks.paths["six"], folder / "deep" / "six")
    shutil.copy(talks.paths["two"], folder)
    (folder / "broken.wav").write_bytes(talks.paths["two"].read_bytes()[:20])
    (folder / "notes.txt").write_text("no sound")
    return folder


def test_many_files_become_rows_of_csv(run: Run, queries: Path, tmp_path: Path) -> None:
    """A file that fails keeps back no other; it is told, counted and seen in the exit status."""
    done = run("search", queries, "-k", 2, "--output", "found.csv", code=3)
    assert "broken.wav: AUDIO_" in done.stderr
    assert "2 files searched with, 1 failed, 4 matches" in done.stdout
    assert "1 passed over" in done.stdout
    with (tmp_path / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row["segment"] == "1"]
    assert [(Path(row["query"]).name, row["rank"]) for row in rows] == [
        *(("six", "1"), ("six", "2"), ("two.wav", "1"), ("two.wav", "2"))
    ]
    assert (rows[0]["name"], float(rows[0]["score"])) == ("six.wav", 1)
    assert (float(rows[1]["start"]), rows[1]["name"]) == (pytest.approx(12, abs=2), "Evening.wav")
    assert (float(rows[1]["query_start"]), float(rows[1]["query_end"])) == (0, 6)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["found.csv"]


def test_every_place_is_written(run: Run, talks: Talks, tmp_path: Path) -> None:
    """A line of CSV for each, numbered from the best; in JSON lines within the match."""
    heard = ("search", talks.paths["Evening"], "--label", "talk", "--segments", 4)
    run(*heard, "-o", "found.csv")
    run(*heard, "-o", "found.jsonl")
    with (tmp_path / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    matches = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [match["name"] for match in matches] == ["Evening.wav", "Morning.wav"]
    for match in matches:
        places = match["segments"]
        mine = [row for row in rows if int(row["rank"]) == match["rank"]]
        assert [int(row["segment"]) for row in mine] == list(range(1, len(mine) + 1))
        assert {row["score"] for row in mine} == {mine[0]["segment_score"]}
        assert match["score"] == places[0]["score"]
        assert all(match[field] == places[0][field] for field in ("start", "end", "query_start"))
        for told, field in ((mine, "segment_score"), (places, "score")):
            found = [float(each[field]) for each in told]
            assert found == sorted(found, reverse=True)
            assert all(float(each["start"]) < float(each["end"]) for each in told)
    assert min(len(matches[1]["segments"]), len(mine)) > 1
    run("search", talks.paths["two"], "-k", 1, "--segments", 0, "-o", "plain.csv")
    with (tmp_path / "plain.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["segment"], row["start"], row["rank"]) == ("", "", "1")


def test_a_vector_is_searched_with(run: Run, talks: Talks, tmp_path: Path) -> None:
    """As `embed` prints it, as a list of numbers, or by numpy; the model is named once."""
    told = run("embed", talks.paths["six"], "--json").stdout
    heard = json.loads(told)["embedding"]
    (tmp_path / "told.json").write_text(told)
    (tmp_path / "list.json").write_text(json.dumps(heard["values"]))
    np.save(tmp_path / "row.npy", np.array([heard["values"]], dtype=np.float32))
    narrow = ("--label", "talk", "-k", 1, "--json")
    for name in ("told.json", "list.json", "row.npy"):
        model = () if name == "told.json" else ("--model", heard["model"].removeprefix("models/"))
        assert names(run("search", "--vector", name, *model, *narrow).stdout) == ["Evening"]
    table = run("search", "--vector", "told.json").stdout
    assert re.search(r"Evening\.wav\s+24\.00 s\s+00:1\d-00:1\d\s", table), table


def test_what_is_no_vector_is_told(run: Run, talks: Talks, tmp_path: Path) -> None:
    """In one line, with what to do."""
    heard = talks.client.embed(talks.paths["six"]).embedding
    np.save(tmp_path / "two.npy", np.zeros((2, 192)))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    for name, text, said in (
        ("list.json", "[1, 2]", "add --model"),
        ("text.json", "many", "is not JSON"),
        ("words.json", '["a"]', "no list of numbers"),
        ("two.npy", "", "2 x 192"),
        ("words.npy", "", "is not one vector"),
        ("text.npy", "many words", "no .npy file"),
        ("inner.json", '{"embedding": 3}', "no list of numbers"),
        ("deep.json", "[" * 100_000, "is not JSON"),
        ("long.json", f"[{'1,' * 5000}1]", "5,001 numbers"),
        ("huge.json", f"[{10**400}]", "too large"),
    ):
        if text:
            (tmp_path / name).write_text(text)
        assert said in run("search", "--vector", name, code=1).stderr
    (tmp_path / "short.json").write_text("[1, 2]")
    short = ("search", "--vector", "short.json", "--model")
    assert "FIELD_INVALID" in run(*short, heard.model, code=1).stderr
    assert "MODEL_MISMATCH" in run(*short, "glove-2", code=1).stderr
    assert "--vector" in run("search", talks.paths["six"], "--model", "x", code=2).stderr


def test_no_match_is_told(run: Run, talks: Talks) -> None:
    """In words, and not by a table without rows."""
    told = run("search", talks.paths["six"], "--name", "nobody is called so").stdout
    assert told == "no matches\n"


def test_several_files_become_json_lines(run: Run, talks: Talks, tmp_path: Path) -> None:
    """With the options of every search, and status 0."""
    files = [talks.paths["two"], talks.paths["six"]]
    run("search", *files, "--label", "talk", "-k", 1, "-o", "found.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows] == ["Morning.wav", "Evening.wav"]
    assert all(row["label"] == "talk" and row["speaker"] == "" for row in rows)
    heard = ("search", files[0], "--label", "talk", "-k", 1)
    run(*heard, "-o", "found.m3u", "--web", "http://gateway:8002/")
    lines = (tmp_path / "found.m3u").read_text().splitlines()
    assert (lines[0], lines[1].partition(",")[2]) == ("#EXTM3U", rows[0]["name"])
    assert lines[2] == f"http://gateway:8002/v1/{rows[0]['clip']}/audio"
    run(*heard, "-o", "kept.m3u", AUDIOSEARCH_API_KEY="a-key-that-no-player-sends")
    played = tmp_path / (tmp_path / "kept.m3u").read_text().splitlines()[2]
    assert (played.parent.name, played.name) == ("kept-audio", rows[0]["name"])
    assert soundfile.info(played).duration > 1
    piped = run("search", *files, "--label", "talk", "-k", 1, "-o", "-").stdout.splitlines()
    assert [json.loads(line) for line in piped] == rows


def test_what_fails_every_file_leaves_the_earlier_results(
    run: Run, queries: Path, tmp_path: Path
) -> None:
    """No library, no audio; wrong usage is told before anything is asked."""
    (tmp_path / "found.csv").write_text("mine")
    empty = tmp_path / "empty"
    empty.mkdir()
    missing = ("search", queries, "-o", "found.csv", "--library", "not-there")
    assert "LIBRARY_NOT_FOUND" in run(*missing, code=1).stderr
    assert "PATH_NOT_FOUND" in run("search", empty, "-o", "found.csv", code=1).stderr
    assert ".jsonl" in run("search", queries, "-o", "found.txt", code=2).stderr
    assert "--output" in run("search", queries, code=2).stderr
    assert "--json" in run("search", queries, "-o", "found.csv", "--json", code=2).stderr
    assert (tmp_path / "found.csv").read_text() == "mine"


def test_the_client_takes_every_query(talks: Talks) -> None:
    """A file, a clip, a vector and examples, with one config."""
    narrow = SearchConfig(k=1, filter=ClipFilter(conditions=[conditions.any_of("label", "talk")]))
    heard = talks.client.embed(talks.paths["six"]).embedding
    for query in (
        talks.paths["six"],
        talks.ids["six"],
        VectorQuery(values=heard.values, model=heard.model),
        Examples(positive=[Examples.Example(clip=talks.ids["six"])]),
    ):
        (match,) = talks.client.search(talks.name, query, config=narrow).matches
        assert match.clip.display_name == "Evening.wav"
    part = offsets.part(12, 18)
    found = talks.client.search(talks.name, talks.paths["Morning"], 2, config=narrow, part=part)
    assert [match.clip.display_name for match in found.matches] == ["Morning.wav", "Evening.wav"]
    assert narrow.parent == ""


def test_the_client_reads_page_after_page(talks: Talks) -> None:
    """Until none is left; nothing is repeated."""
    pages = list(talks.client.search_pages(talks.name, talks.ids["two"], SearchConfig(k=1)))
    found = [match.clip.display_name for page in pages for match in page.matches]
    assert sorted(found) == ["Evening.wav", "Morning.wav", "six.wav"]


def test_the_client_searches_in_batches_and_counts(talks: Talks) -> None:
    """One that fails does not affect the other."""
    config = SearchConfig(parent=f"libraries/{talks.name}", k=1)
    answer = talks.client.search_batch(
        [
            SearchClipsRequest(config=config, clip=talks.ids["two"]),
            SearchClipsRequest(config=config, clip=talks.ids["two"] + "x"),
        ]
    )
    assert [one.WhichOneof("outcome") for one in answer.outcomes] == ["response", "failure"]
    fit = ClipFilter(conditions=[conditions.between("duration", maximum=10)])
    counted = talks.client.count_values(talks.name, "label", fit)
    assert [(each.value, each.clip_count) for each in counted.values] == [("voice", 2)]
    for unlike in (conditions.none_of("label", "talk"), conditions.contains("display_name", "WO")):
        fit = ClipFilter(conditions=[unlike])
        assert talks.client.count_values(talks.name, "label", fit).values[0].value == "voice"


def test_the_client_streams_embeddings(talks: Talks) -> None:
    """Of a file, or of bytes as they come; a failure has its reason."""
    path = talks.paths["Morning"]

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            while piece := file.read(10_000):
                yield piece

    for audio in (path, pieces()):
        *windows, last = talks.client.stream_embeddings(audio)
        starts = [each.window.start_offset.ToMilliseconds() for each in windows]
        assert starts[:3] == [0, 1500, 3000]
        assert last.summary.window_count == len(windows)
    with pytest.raises(ServiceError) as raised:
        list(talks.client.stream_embeddings([b"no audio" * 100]))
    assert raised.value.reason is Reason.AUDIO_UNDECODABLE
