"""The migration of a library to its next indexes, as it is followed and told."""

from __future__ import annotations

import time

from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest, Library
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES, Model
from audiosearch_client.client import AudiosearchClient
from google.protobuf.duration_pb2 import Duration

from audiosearch_cli.output import complain
from audiosearch_cli.progress import Shown
from serving.errors import ServiceError
from serving.retry import Retry

POLL_SECONDS = 0.5


def follow(client: AudiosearchClient, library: Library, *, quiet: bool) -> Library:
    """Shows the progress of a migration until it is over or waits. Returns the library then.

    The gateway may be away for a while: the migration goes on when it is back.
    """
    last, retry = library.migration, Retry()
    with Shown("migrating", quiet=quiet) as shown:
        while library.HasField("migration") and not waits(library):
            last = library.migration
            shown.show(min(last.done_count + last.failed_count, last.clip_count), last.clip_count)
            time.sleep(POLL_SECONDS)
            try:
                request = GetLibraryRequest(name=library.name)
                library = client.call(client.stubs.libraries.GetLibrary, request)
                retry = Retry()
            except ServiceError as error:
                time.sleep(retry.pause(error))
        shown.show(last.clip_count, last.clip_count)
    for failure in last.failures:
        complain(f"{failure.clip} is left out: {failure.message} ({failure.reason})")
    return library


def waits(library: Library) -> bool:
    """True if a migration waits for a review of its answers."""
    migration = library.migration
    return migration.review and migration.HasField("comparison")


def keeps(library: Library) -> bool:
    """True if the indexes of an earlier model are kept, and the library does not go back yet."""
    return library.migration.kept and waits(library)


def _kept(library: Library) -> str:
    """The earlier model that is kept, and the commands that end it."""
    before, short = library.migration.model, library.name.removeprefix("libraries/")
    return (
        f"the indexes of {before} are kept, and clips go to both. `audiosearch library migrate "
        f"{short} --model {before.removeprefix('models/')}` goes back, `audiosearch library "
        f"migrate {short} --forget` drops them"
    )


def _review(library: Library) -> str:
    """The difference that the switch of a migration would make, and the commands that end it."""
    its, short = library.migration.comparison, library.name.removeprefix("libraries/")
    own = library.model.removeprefix("models/")
    rates = ""
    if its.labelled_by:
        rates = (
            f" Clips of one {its.labelled_by} are told from others with an equal error rate of "
            f"{its.present_eer:.1%} now and {its.coming_eer:.1%} then."
        )
    return (
        f"ready to switch{_to(library)}. Of the 10 nearest clips {its.overlap:.0%} stay the same, "
        f"the nearest one for {its.same_nearest_count:,} of {its.sample_count:,} clips.{rates} "
        f"`audiosearch library migrate {short}` switches, `audiosearch library migrate {short} "
        f"--model {own}` gives it up and has all clips heard by that model again"
    )


def _to(library: Library) -> str:
    return f" to {library.migration.model}" if library.migration.model else ""


def describe(library: Library) -> str:
    """The migration that a library is in, or that it needs; empty if neither."""
    if keeps(library):
        return _kept(library)
    if waits(library):
        return _review(library)
    if library.HasField("migration"):
        state = library.migration
        failed = f", {state.failed_count:,} failed" if state.failed_count else ""
        counts = f"{state.done_count:,} of {state.clip_count:,} clips{_to(library)}{failed}"
        kept = "; the present indexes are kept afterwards" if state.keep else ""
        return f"{counts}; searched meanwhile{kept}"
    if not library.HasField("window_rule"):
        short = library.name.removeprefix("libraries/")
        return (
            "this library was made before there were windows: long recordings are found only as a "
            f"whole, until `audiosearch library migrate {short}`"
        )
    return ""


def model_changed(before: Library, after: Library) -> str:
    """The word about a migration that gave a library another model; empty if it did not."""
    if not before.migration.model or after.model != before.migration.model:
        return ""
    lost = ""
    if after.purpose == PURPOSE_VOICES:
        lost = ". A calibration was for scores of the model before and is gone: fit one again with "
        lost += f"`audiosearch calibrate {after.name.removeprefix('libraries/')}`"
    return f"it is of {after.model} now{lost}"


def windows(whose: Library | Model) -> str:
    """The rule by which recordings are cut; empty if there is none."""
    if not whose.HasField("window_rule"):
        return ""
    rule = whose.window_rule
    return (
        f"{_seconds(rule.window)} every {_seconds(rule.hop)}, whole up to {_seconds(rule.single)}"
    )


def _seconds(length: Duration) -> str:
    return f"{length.ToMilliseconds() / 1000:g} s"
