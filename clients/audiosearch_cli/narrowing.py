"""The options that narrow a search, a list or counts to some clips, and the filter they make."""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Annotated, Any

import typer
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch_client.conditions import any_of, between, contains, none_of
from audiosearch_client.offsets import seconds_of

Texts = list[str] | None


def _seconds(text: str | float) -> float:
    try:
        return seconds_of(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _length(word: str) -> Any:
    return typer.Option(parser=_seconds, metavar="SECONDS|MM:SS", help=f"Only clips {word}.")


def read(
    label: Annotated[
        Texts, typer.Option(help="Only clips with this label; repeated: one of them; '' is none.")
    ] = None,
    not_label: Annotated[
        Texts, typer.Option(help="Only clips without this label; can be repeated.")
    ] = None,
    speaker: Annotated[
        Texts, typer.Option(help="Only clips of this speaker; repeated: one of them; '' is none.")
    ] = None,
    tag: Annotated[
        Texts,
        typer.Option(help="Only clips heard as this kind of sound; repeated: one; '' is none."),
    ] = None,
    tag_score: Annotated[
        float, typer.Option(min=0, max=1, help="Score from which on a --tag counts.")
    ] = 0.0,
    name: Annotated[str, typer.Option(help="Only clips with this in their name, any case.")] = "",
    min_duration: Annotated[float | None, _length("as long or longer")] = None,
    max_duration: Annotated[float | None, _length("as long or shorter")] = None,
    metadata: Annotated[
        Texts,
        typer.Option(metavar="KEY=VALUE", help="Only clips with this; repeated: one of a key's."),
    ] = None,
    enrolled: Annotated[
        Texts, typer.Option(metavar="NAME", help="Only clips that this speaker is enrolled with.")
    ] = None,
    is_enrolled: Annotated[
        bool | None,
        typer.Option("--is-enrolled/--not-enrolled", help="Only clips that are enrollments."),
    ] = None,
    created_after: Annotated[
        datetime | None, typer.Option(help="Only clips made at this time (UTC) or later.")
    ] = None,
    created_before: Annotated[
        datetime | None, typer.Option(help="Only clips made before this time (UTC).")
    ] = None,
) -> ClipFilter:
    """The filter that the options stand for. Each of them must hold."""
    fit = ClipFilter()
    for field, values in (("label", label), ("speaker", speaker)):
        if values and len(values) == 1 and values[0]:
            setattr(fit, field, values[0])  # The catalog has an index for these.
        elif values:
            fit.conditions.append(any_of(field, *values))
    fit.conditions.extend(
        [
            *([none_of("label", *not_label)] if not_label else []),
            *([any_of("tag", *tag, min_score=tag_score)] if tag else []),
            *([contains("display_name", name)] if name else []),
        ]
    )
    if (min_duration, max_duration) != (None, None):
        fit.conditions.append(between("duration", min_duration, max_duration))
    fit.conditions.extend(_metadata(metadata or []))
    if enrolled:
        fit.conditions.append(any_of("enrolled_speaker", *enrolled))
    if is_enrolled is not None:
        make = none_of if is_enrolled else any_of
        fit.conditions.append(make("enrolled_speaker", ""))
    for limit, time in (
        (fit.create_time_from, created_after),
        (fit.create_time_before, created_before),
    ):
        if time:
            limit.FromDatetime(time.replace(tzinfo=timezone.utc))
    return fit


def narrowed(command: Callable[..., None]) -> Callable[..., None]:
    """A command with these options in the place of its argument `fit`."""
    options = inspect.signature(read, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters
    merged: list[inspect.Parameter] = []
    for parameter in own.values():
        merged.extend(options.values() if parameter.name == "fit" else [parameter])

    @functools.wraps(command)
    def run(**given: Any) -> None:
        chosen = {option: given.pop(option) for option in options}
        command(**given, fit=read(**chosen))

    run.__annotations__ = {}
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in merged]
    )
    return run


def _metadata(pairs: list[str]) -> Iterator[Condition]:
    values = defaultdict(list)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--metadata")
        values[key].append(value)
    for key, some in values.items():
        yield any_of(f"metadata.{key}", *some)
