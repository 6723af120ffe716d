"""Searches with many files, whose matches become the rows of a CSV or JSON lines file."""

from __future__ import annotations

import csv
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import typer
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest
from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from audiosearch.gateway.v1.search_pb2 import Match, SearchClipsResponse, SearchConfig, Segment
from audiosearch_client import environment
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.sources import folder_source
from audiosearch_client.corpora.survey import count, told_kinds
from audiosearch_client.uploading import failure_of
from google.protobuf.duration_pb2 import Duration

from audiosearch_cli.clips.downloading import file_of
from audiosearch_cli.clips.selection import unique
from audiosearch_cli.output import complain, say, text_output, written_whole
from audiosearch_cli.problems import end
from audiosearch_cli.progress import Shown
from serving.errors import ServiceError
from serving.retry import patiently

AT_ONCE = 4
"""Files that are searched with at the same time."""

COLUMNS = (
    *("query", "query_start", "query_end", "rank", "score", "clip", "name", "start", "end"),
    *("time_offset", "label", "speaker", "group"),
)
"""Fields of a match; the places are those of its best segment."""
SECONDS = "seconds"
STANDARD = Path("-")
SEGMENT, SEGMENT_SCORE, SEGMENTS = "segment", "segment_score", "segments"
Row = dict[str, Any]


class _File(NamedTuple):
    name: str
    """The name as it is told and written."""

    path: Path
    failure: ServiceError | None


class Searcher:
    """Searches with one file after the other. Used by several threads."""

    def __init__(
        self,
        client: AudiosearchClient,
        library: str,
        config: SearchConfig,
        part: TimeRange | None,
        channel: int,
    ) -> None:
        """Keeps the question that is the same for all files."""
        self._client, self._library = client, library
        self._config, self._part, self._channel = config, part, channel
        self._stop = threading.Event()

    def check(self) -> None:
        """Raises at once what would fail every file: no gateway, no library, no right."""
        request = GetLibraryRequest(name=f"libraries/{self._library}")
        self._client.call(self._client.stubs.libraries.GetLibrary, request)

    def save(self, clip: str, path: Path) -> None:
        """Writes the audio of a clip to a file."""
        with written_whole(path) as file:
            self._client.download(clip, file)

    def stop(self) -> None:
        """Ends what waits for another try."""
        self._stop.set()

    def search(self, file: _File) -> SearchClipsResponse:
        """Searches with one file, again while a service is away or busy."""
        if file.failure:
            raise file.failure
        return patiently(
            lambda: self._client.search(
                self._library,
                file.path,
                channel=self._channel,
                config=self._config,
                part=self._part,
            ),
            stop=self._stop,
        )


def search_files(searcher: Searcher, paths: list[Path], output: Path, web: str) -> None:
    """Searches with all files below the paths, and writes the matches in the order of the files.

    Raises:
        typer.Exit: as `problems.end`, if a file failed. The matches of the others are written.
        ServiceError: a failure that is not about one file. Nothing is written.
    """
    write_to = _writer(output, web, searcher)
    sources = [(path, folder_source(path)) for path in paths]
    searcher.check()
    total = sum(count(source) for _, source in sources)
    done = failed = rows = 0
    with Shown("searching", "files") as shown, text_output(output) as text:
        write = write_to(text)
        for query, answer in _answers(searcher, sources):
            try:
                found = list(_rows(query.name, answer.result()))
            except (ServiceError, OSError) as error:
                failure = failure_of(error)
                failed += 1
                complain(f"{query.name}: {failure.reason}: {failure.message}")
            else:
                rows += len(found)
                for row in found:
                    write(row)
            done += 1
            shown.show(done, total)
    tell = partial(complain, word="note") if output == STANDARD else say
    tell(f"{done - failed:,} files searched with, {failed:,} failed, {rows:,} matches in {output}")
    for _, source in sources:
        if passed := told_kinds(source.passed_over):
            tell(f"{source.root}: {passed}")
    end(done - failed, failed)


def _answers(
    searcher: Searcher, sources: list[tuple[Path, Source]]
) -> Iterator[tuple[_File, Future[SearchClipsResponse]]]:
    """The searches, a few at a time, in the order of the files."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: deque[tuple[_File, Future[SearchClipsResponse]]] = deque()
        try:
            for file in _files(sources):
                running.append((file, pool.submit(searcher.search, file)))
                if len(running) >= 2 * AT_ONCE:
                    yield running.popleft()
            while running:
                yield running.popleft()
        except BaseException:
            searcher.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _files(sources: list[tuple[Path, Source]]) -> Iterator[_File]:
    for path, source in sources:
        for entry in source.entries():
            name = str(path / entry.path) if path.is_dir() else str(path)
            yield _File(name, source.root / entry.path, entry.failure)


def _rows(query: str, answer: SearchClipsResponse) -> Iterator[Row]:
    for rank, match in enumerate(answer.matches, 1):
        yield {"query": query, "rank": rank, **_describe(match)}


def _describe(match: Match) -> Row:
    """A match with its segments, times in seconds; what is not told is left out."""
    row: Row = {
        "score": round(match.score, 4),
        "clip": match.clip.name,
        "name": match.clip.display_name,
        "label": match.clip.label,
        "speaker": match.clip.speaker,
        "group": match.group,
        SECONDS: _seconds(match.clip.audio.duration),
    }
    row[SEGMENTS] = [_place(segment) for segment in match.segments]
    if match.coverage.HasField("time_offset"):
        row["time_offset"] = _seconds(match.coverage.time_offset)
    return row


def _place(segment: Segment) -> Row:
    return {
        "start": _seconds(segment.start_offset),
        "end": _seconds(segment.end_offset),
        "query_start": _seconds(segment.query_start_offset),
        "query_end": _seconds(segment.query_end_offset),
        "score": round(segment.score, 4),
    }


def _seconds(offset: Duration) -> float:
    return offset.ToMilliseconds() / 1000


def _writer(
    output: Path, web: str, searcher: Searcher
) -> Callable[[IO[str]], Callable[[Row], object]]:
    """The way to write rows that the file's ending names."""
    if output == STANDARD:
        return _json_lines
    if not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder", param_hint="--output")
    if output.suffix == ".csv":
        return _csv
    if output.suffix == ".jsonl":
        return _json_lines
    if output.suffix in (".m3u", ".m3u8"):
        if not environment.key():
            return partial(_play_list, lambda row: f"{web.rstrip('/')}/v1/{row['clip']}/audio")
        folder = output.with_name(f"{output.stem}-audio")
        return partial(_play_list, _Saved(searcher, folder).place)
    raise typer.BadParameter("name a .csv, .jsonl or .m3u file, or -", param_hint="--output")


def _csv(file: IO[str]) -> Callable[[Row], object]:
    """A line for each segment of a match, the best first; one line for a match without any."""
    writer = csv.DictWriter(file, (*COLUMNS, SEGMENT, SEGMENT_SCORE), extrasaction="ignore")
    writer.writeheader()

    def write(row: Row) -> None:
        if not row[SEGMENTS]:
            writer.writerow(row)
        for rank, place in enumerate(row[SEGMENTS], 1):
            told = {**place, "score": row["score"], SEGMENT_SCORE: place["score"], SEGMENT: rank}
            writer.writerow({**row, **told})

    return write


class _Saved:
    """The audio of matches in a folder beside a play list: players send no key to a gateway."""

    def __init__(self, searcher: Searcher, folder: Path) -> None:
        """Makes the folder with the first clip."""
        self._searcher, self._folder = searcher, folder
        self._taken: set[str] = set()
        self._places: dict[str, str] = {}

    def place(self, row: Row) -> str:
        """The path of a match's audio from the play list; empty if it can't be had."""
        name = row["clip"]
        if name not in self._places:
            self._folder.mkdir(exist_ok=True)
            file = unique(file_of(Clip(name=name, display_name=row["name"])), self._taken)
            try:
                self._searcher.save(name, self._folder / file)
            except ServiceError as error:
                failure = failure_of(error)
                complain(f"{row['name']}: {failure.reason}: {failure.message}")
                file = ""
            self._places[name] = f"{self._folder.name}/{file}" if file else ""
        return self._places[name]


def _play_list(place: Callable[[Row], str], file: IO[str]) -> Callable[[Row], object]:
    """The matches for a player, each with the place of its audio."""
    file.write("#EXTM3U\n")

    def write(row: Row) -> None:
        if found := place(row):
            name = " ".join(row["name"].split())
            file.write(f"#EXTINF:{round(row[SECONDS])},{name}\n{found}\n")

    return write


def _json_lines(file: IO[str]) -> Callable[[Row], object]:
    def write(row: Row) -> None:
        best = row[SEGMENTS][0] if row[SEGMENTS] else {}
        told = {**row, **best, "score": row["score"]}
        whole = {column: told.get(column) for column in (*COLUMNS, SEGMENTS)}
        file.write(json.dumps(whole, ensure_ascii=False) + "\n")

    return write
