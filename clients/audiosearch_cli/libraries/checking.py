"""`audiosearch check`: what the index and the audio store have lost of what the catalog lists."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

import typer
from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest, ServiceStatus, SystemStatus

from audiosearch_cli.output import DEFAULT_TARGET, Ca, Json, Target, connect, print_json, say
from audiosearch_cli.progress import Shown

POLL_SECONDS = 0.5


def check(
    wait: Annotated[bool, typer.Option(help="Wait until lost indexes are filled again.")] = False,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Tell whether services are away and what of indexes and stored audio is lost.

    A lost index is filled again by itself; damaged or missing audio comes back by `backup mend`.
    Audio elsewhere that clips refer to has to be brought back there.
    Ends with code 1 if anything is wrong.
    """
    most = 0
    with (
        connect(target, ca) as client,
        Shown("indexes", "vectors", quiet=json or not wait) as shown,
    ):
        while True:
            status = client.call(client.stubs.status.GetStatus, GetStatusRequest())
            lacking = sum(each.expected_count - each.indexed_count for each in status.incomplete)
            most = max(most, lacking)
            shown.show(most - lacking, most)
            if not wait or not status.incomplete:
                break
            time.sleep(POLL_SECONDS)
    problems = list(_problems(status))
    if json:
        print_json(status)
    else:
        for line in problems or [
            "catalog, indexes and stored audio agree, as far as they were looked at"
        ]:
            say(line)
    if problems:
        raise typer.Exit(1)


def _problems(status: SystemStatus) -> Iterator[str]:
    """All that is wrong, each with what to do."""
    for service in status.services:
        if service.state != ServiceStatus.STATE_SERVING:
            yield f"the {service.service} service is away: {service.message} ({service.reason})"
    for each in status.incomplete:
        short = each.library.removeprefix("libraries/")
        yield (
            f"library {short}: its index has {each.indexed_count:,} of {each.expected_count:,} "
            "vectors and is filled again; searches may miss clips until then. If that does not "
            f"end, the log of the gateway says why, and `audiosearch library migrate {short}` "
            "embeds the stored audio anew"
        )
    bad = {"damaged or changed": status.audio.damaged_count, "missing": status.audio.missing_count}
    for word, count in bad.items():
        if count:
            yield (
                f"the audio of {count:,} clips is {word}: bring what is stored back with "
                "`audiosearch backup mend`, or upload the same files again"
            )
    if count := status.audio.referring_count:
        yield (
            f"{count:,} of these clips refer to audio elsewhere, which `audiosearch clip show` "
            "names: bring the same bytes back there and add them by reference again, or delete the "
            "clips and add the new audio"
        )
    for clip in status.audio.clips:
        yield f"  {clip}"
