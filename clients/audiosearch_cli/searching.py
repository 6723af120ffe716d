"""`audiosearch search` and `embed`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.catalog.v1.query_pb2 import Query as KeptQuery
from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from audiosearch.gateway.v1.search_pb2 import (
    DETAIL_CLIPS,
    DETAIL_SEGMENTS,
    Examples,
    Match,
    SearchClipsResponse,
    SearchConfig,
)
from audiosearch_client.client import Query
from audiosearch_client.offsets import range_of, told, told_range

from audiosearch_cli import searching_files
from audiosearch_cli.channels import Channel, require_file, say_remarks
from audiosearch_cli.libraries import models
from audiosearch_cli.narrowing import narrowed
from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    LibraryName,
    Target,
    clip_id,
    clip_name,
    complain,
    connect,
    draw_bar,
    print_json,
    print_table,
    say,
    seconds,
    tags_of,
)
from audiosearch_cli.vectors.query_file import read_vector

AudioFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="An audio file.")
]
COLUMNS = (
    *("#", "group", "score", "", "name", "length"),
    *("at", "part of the query", "query begins at", "tags", "label", "speaker", "clip"),
)
_TAGS_SHOWN = 5


class Strategy(str, Enum):
    """The way from examples to a score."""

    average = "average"
    best_score = "best-score"


_STRATEGIES = {
    Strategy.average: Examples.STRATEGY_AVERAGE,
    Strategy.best_score: Examples.STRATEGY_BEST_SCORE,
}


def _part(text: str | TimeRange) -> TimeRange:
    try:
        return range_of(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@narrowed
def search(
    library: LibraryName,
    fit: ClipFilter,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True,
            readable=True,
            metavar="FILE|FOLDER",
            help="An audio file; with --output also several, and folders.",
        ),
    ] = None,
    clip: Annotated[
        str, typer.Option(help="Search with this clip of the library instead of a file.")
    ] = "",
    kept: Annotated[
        str,
        typer.Option("--query", metavar="ID", help="Search with this sound, which --share keeps."),
    ] = "",
    like: Annotated[
        list[str] | None,
        typer.Option(metavar="CLIP", help="Find what is like this clip; can be repeated."),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option(metavar="CLIP", help="And unlike this clip; can be repeated."),
    ] = None,
    words: Annotated[
        str,
        typer.Option(help="Search with words, such as 'dog barking', in tags and names of clips."),
    ] = "",
    strategy: Annotated[
        Strategy, typer.Option(help="The way from --like and --unlike to a score.")
    ] = Strategy.average,
    vector: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Search with the vector in this file: JSON with a list of numbers, what "
            "`embed --json` prints, or .npy.",
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Model of the --vector, if its file names none.")
    ] = "",
    part: Annotated[
        TimeRange | None,
        typer.Option(
            "--range",
            parser=_part,
            metavar="MM:SS-MM:SS",
            help="Search with this part of the file or the clip.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", envvar="TOP_K", help="Number of clips to find.")] = 10,
    min_score: Annotated[
        float | None, typer.Option(help="Leave out clips with a lower score.")
    ] = None,
    group_by: Annotated[
        str, typer.Option(help="Group by label, speaker, source or metadata.KEY; -k counts groups.")
    ] = "",
    group_size: Annotated[int, typer.Option(min=1, help="Most clips of one group.")] = 1,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="LIBRARY", help="Search this library too; can be repeated."),
    ] = None,
    segments: Annotated[
        int,
        typer.Option(min=0, help="Most places in a clip, in --json and --output; 0 for none."),
    ] = 3,
    page_token: Annotated[str, typer.Option(help="The page that the one before named.")] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            dir_okay=False,
            help="A .csv or .jsonl with all matches and places, an .m3u for players, or - for JSON "
            "lines on the standard output.",
        ),
    ] = None,
    share: Annotated[
        bool, typer.Option(help="Keep the file for a time, and tell a link to this search.")
    ] = False,
    web: Annotated[
        str,
        typer.Option(
            envvar="AUDIOSEARCH_WEB", metavar="URL", help="Address of REST, for an .m3u or a link."
        ),
    ] = "http://localhost:8002",
    channel: Channel = 0,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Find the clips most like a sound, and the place in each that is most like it."""
    queries = (files, clip, kept, like, vector, words)
    _require(
        (
            sum(map(bool, queries)) == 1,
            "FILE",
            "name a file, --clip, --query, --like, --vector or --words, and only one of them",
        ),
        (not words or not (part or channel), "--words", "it goes without --range and --channel"),
        (not unlike or bool(like), "--unlike", "it goes with --like"),
        (not model or bool(vector), "--model", "it goes with --vector"),
        (not share or bool(files and not output), "--share", "it takes a file, and no --output"),
    )
    require_file(channel, clip or kept)
    config = SearchConfig(
        k=k,
        min_score=min_score,
        filter=fit if fit.ByteSize() else None,
        detail=DETAIL_SEGMENTS if segments else DETAIL_CLIPS,
        segments_per_match=segments,
        group_by=group_by,
        group_size=group_size,
        page_token=page_token,
        more_libraries=[f"libraries/{name}" for name in also or ()],
    )
    if output:
        if not files or json or page_token:
            raise typer.BadParameter(
                "it takes files or folders, no --json and no --page-token", param_hint="--output"
            )
        with connect(target, ca) as client:
            return searching_files.search_files(
                searching_files.Searcher(client, library, config, part, channel), files, output, web
            )
    if words:
        with connect(target, ca) as client:
            answer = client.search_by_words(library, words, config)
        return print_json(answer) if json else _say(answer)
    query: Query
    if vector:
        query = read_vector(vector, model)
    else:
        query = _query(library, files, clip, kept, like or [], unlike or [], strategy)
    shared = None
    with connect(target, ca) as client:
        if share and isinstance(query, Path):
            shared = client.keep_query(library, query, channel=channel)
            query, channel = shared.name, 0
        answer = client.search(library, query, channel=channel, config=config, part=part)
    print_json(answer) if json else _say(answer)
    return _say_link(shared, library, web) if shared else None


def _require(*rules: tuple[bool, str, str]) -> None:
    """Ends the command for the first rule that is not kept: its option, and what to do."""
    for is_kept, option, advice in rules:
        if not is_kept:
            raise typer.BadParameter(advice, param_hint=option)


def _say_link(shared: KeptQuery, library: str, web: str) -> None:
    """Tells the way to search with a kept sound; beside the answer, which may be JSON."""
    query, until = shared.name.rpartition("/")[2], shared.expire_time.ToDatetime()
    link = f"{web.rstrip('/')}/#/search?library={library}&query={query}"
    complain(f"until {until:%Y-%m-%d}, by --query {query} or {link}", word="shared")


def _say(answer: SearchClipsResponse) -> None:
    """Prints the matches, and how to get the others."""
    for each in answer.understood:
        say(f"{each.words}: {', '.join(each.tags[:_TAGS_SHOWN])}")
    if answer.not_understood:
        say(f"looked for in names alone: {', '.join(answer.not_understood)}")
    rows = [_row(rank, match, answer) for rank, match in enumerate(answer.matches, 1)]
    if rows:
        print_table(COLUMNS, rows)
    else:
        say("no matches")
    if answer.advice:
        say(answer.advice)
    for lacking in answer.incomplete:
        say(
            f"{lacking.library} is incomplete: {lacking.indexed_count:,} of "
            f"{lacking.expected_count:,} "
            "vectors; its index is filled again"
        )
    if answer.next_page_token:
        say(f"next page: the same command with --page-token {answer.next_page_token}")
    say_remarks(answer.query_audio)


def _query(
    library: str,
    files: list[Path] | None,
    clip: str,
    kept: str,
    like: list[str],
    unlike: list[str],
    strategy: Strategy,
) -> Query:
    if files:
        if len(files) > 1 or files[0].is_dir():
            raise typer.BadParameter("several files and folders need --output", param_hint="FILE")
        return files[0]
    if clip:
        return clip_name(library, clip)
    if kept:
        return kept if "/" in kept else f"libraries/{library}/queries/{kept}"
    positive, negative = (
        [Examples.Example(clip=clip_name(library, one)) for one in some] for some in (like, unlike)
    )
    return Examples(positive=positive, negative=negative, strategy=_STRATEGIES[strategy])


def _row(rank: int, match: Match, answer: SearchClipsResponse) -> tuple[str, ...]:
    """A match for people, with its score drawn as a bar."""
    clip = match.clip
    return (
        str(rank),
        match.group,
        f"{match.score:.3f}",
        draw_bar(match.score),
        clip.display_name,
        seconds(clip),
        *_places(match, answer),
        tags_of(clip),
        clip.label,
        clip.speaker,
        clip_id(clip),
    )


def _places(match: Match, answer: SearchClipsResponse) -> tuple[str, str, str]:
    """The best segment, its part of the query, and the place where the query begins in the clip.

    Each is empty where it would say no more than that all of a short recording was compared.
    """
    if not match.segments:
        return "", "", ""
    best, several = match.segments[0], match.clip.window_count > 1
    place = told_range(best.start_offset, best.end_offset) if several else ""
    asked = ""
    if best.HasField("query_end_offset"):
        heard = best.query_end_offset.ToMilliseconds() - best.query_start_offset.ToMilliseconds()
        if heard + 1 < _query_length(answer):
            asked = told_range(best.query_start_offset, best.query_end_offset)
    begins = ""
    if match.coverage.HasField("time_offset") and several:
        begins = told(match.coverage.time_offset)
    return place, asked, begins


def _query_length(answer: SearchClipsResponse) -> int:
    """Length of the query in milliseconds: as it was heard, else as far as segments reach."""
    if answer.HasField("query_audio"):
        return answer.query_audio.duration.ToMilliseconds()
    found = [each for match in answer.matches for each in match.segments]
    start = min(each.query_start_offset.ToMilliseconds() for each in found)
    return max(each.query_end_offset.ToMilliseconds() for each in found) - start


def embed(
    file: AudioFile,
    channel: Channel = 0,
    purpose: models.For = None,
    model: models.ModelName = "",
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show the embedding of a sound and facts about its audio. Nothing is stored."""
    with connect(target, ca) as client:
        answer = client.embed(file, models.name_of(purpose, model), channel)
    if json:
        return print_json(answer)
    heard, vector = answer.audio, answer.embedding
    say(
        f"{heard.duration.ToMilliseconds() / 1000:.2f} s of {heard.format}, "
        f"{heard.active_duration.ToMilliseconds() / 1000:.2f} s of it embedded, "
        f"{heard.sample_rate:,} Hz, channels: {heard.channels}, level {heard.level_dbfs:.1f} dBFS"
    )
    say_remarks(heard)
    say(f"{len(vector.values)} values of {vector.model}")
    return say(" ".join(f"{value:.4f}" for value in vector.values))
