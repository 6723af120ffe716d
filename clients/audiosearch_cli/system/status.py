"""`audiosearch status`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest, ServiceStatus, SystemStatus
from audiosearch_client.client import AudiosearchClient

from audiosearch_cli.output import (
    DEFAULT_TARGET,
    Ca,
    Json,
    Target,
    connect,
    print_json,
    print_table,
    say,
)
from audiosearch_cli.problems import end
from serving.errors import ServiceError

_LOOK_SECONDS = 1.0


def status(
    wait: Annotated[
        float,
        typer.Option(min=0, max=3600, help="Seconds to wait until all services are serving."),
    ] = 0.0,
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Show the services, their stores and the speed of searches.

    The exit code is 3 if a service is not serving.
    """
    with connect(target, ca) as client:
        answer = _after(client, wait)
    if json:
        print_json(answer)
    else:
        _tell(answer)
    serving = _serving(answer)
    end(sum(serving), len(serving) - sum(serving))


def _after(client: AudiosearchClient, wait: float) -> SystemStatus:
    """The status once all services are serving, or when the time is up.

    Raises:
        ServiceError: The gateway gives no answer.
    """
    over = time.monotonic() + wait
    while True:
        left = over - time.monotonic()
        try:
            answer = client.call(client.stubs.status.GetStatus, GetStatusRequest())
            if all(_serving(answer)) or left <= 0:
                return answer
        except ServiceError as error:
            if left <= 0 or not error.reason.temporary:
                raise
        time.sleep(min(_LOOK_SECONDS, max(left, 0.0)))


def _serving(answer: SystemStatus) -> list[bool]:
    """True for each service that is serving."""
    return [each.state == ServiceStatus.STATE_SERVING for each in answer.services]


def _tell(answer: SystemStatus) -> None:
    say(
        f"audiosearch {answer.version}, the gateway has run since "
        f"{answer.start_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"
    )
    rows = [
        (
            each.service,
            "serving" if each.state == ServiceStatus.STATE_SERVING else "not serving",
            f"{each.since_time.ToDatetime():%Y-%m-%d %H:%M:%S}",
            each.store,
            f"{each.reason}: {each.message}" if each.reason else "",
        )
        for each in answer.services
    ]
    print_table(("service", "state", "since", "store", "why"), rows)
    for model in answer.models:
        say(f"model: {model.name}")
    if times := answer.latency.search_count:
        half, most = answer.latency.p50_duration, answer.latency.p99_duration
        say(
            f"searches: {times:,}, half within {half.ToMilliseconds():,} ms, 99 % within "
            f"{most.ToMilliseconds():,} ms"
        )
    for library in answer.incomplete:
        say(
            f"incomplete: {library.library}, {library.indexed_count:,} of "
            f"{library.expected_count:,} vectors"
        )
