"""The duplicates of a library, as they are waited for and told."""

from __future__ import annotations

import time

from audiosearch.gateway.v1.duplicates_pb2 import Duplicate, Duplicates, GetDuplicatesRequest
from audiosearch_client.client import AudiosearchClient

from audiosearch_cli.output import complain, in_seconds, print_table, say
from audiosearch_cli.progress import Shown
from serving.errors import ServiceError
from serving.names import split_clip
from serving.retry import Retry

POLL_SECONDS = 0.5
_PERCENT = 100


def wait(client: AudiosearchClient, library: str, *, quiet: bool) -> Duplicates:
    """Asks for the groups of `libraries/{library}` until they are all there and current.

    The gateway may be away for a while.
    """
    name, retry = f"{library}/duplicates", Retry()
    with Shown("looking", "percent", quiet=quiet) as shown:
        while True:
            try:
                found = _all(client, name)
                retry = Retry()
            except ServiceError as error:
                time.sleep(retry.pause(error))
                continue
            shown.show(round(_PERCENT * found.progress), _PERCENT)
            if found.state == Duplicates.STATE_READY or found.HasField("failure"):
                break
            time.sleep(POLL_SECONDS)
    if found.HasField("failure"):
        complain(f"these are not the newest: {found.failure.message} ({found.failure.reason})")
    return found


def _all(client: AudiosearchClient, name: str) -> Duplicates:
    """The answer with the groups of all its pages, if it has any."""
    request = GetDuplicatesRequest(name=name)
    found = client.call(client.stubs.libraries.GetDuplicates, request)
    more = found.next_page_token
    while more:
        request.page_token = more
        page = client.call(client.stubs.libraries.GetDuplicates, request)
        found.groups.extend(page.groups)
        more = page.next_page_token
    found.next_page_token = ""
    return found


def tell(found: Duplicates) -> None:
    """Prints the groups as a table."""
    if found.groups:
        columns = ("group", "clip", "name", "length", "stretch", "at", "score")
        print_table(
            columns,
            [
                _row(number, place, member)
                for number, group in enumerate(found.groups, 1)
                for place, member in enumerate(group.members)
            ],
        )
    clips = sum(group.member_count for group in found.groups)
    say(
        f"{found.group_count:,} groups of {clips:,} clips, of {found.clip_count:,} in the library"
        if found.groups
        else f"no duplicates among {found.clip_count:,} clips"
    )
    if found.truncated:
        complain("there are more duplicates than are kept; a part of the library was not looked at")


def _row(number: int, place: int, member: Duplicate) -> tuple[str, ...]:
    clip = split_clip(member.clip)[1]
    name, length = member.display_name, in_seconds(member.duration)
    if not place:
        return str(number), clip, name, length, "", "", ""
    stretch = f"{in_seconds(member.start_offset)} to {in_seconds(member.end_offset)}"
    at = in_seconds(member.time_offset)
    return "", clip, name, length, stretch, at, f"{member.score:.3f}"
