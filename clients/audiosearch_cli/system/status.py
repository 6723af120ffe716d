"""`audiosearch status`."""

from __future__ import annotations

from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest, ServiceStatus, SystemStatus

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


def status(target: Target = DEFAULT_TARGET, ca: Ca = None, json: Json = False) -> None:
    """Show the services, their stores and the speed of searches.

    The exit code is 3 if a service is not serving, for scripts that wait for it.
    """
    with connect(target, ca) as client:
        answer = client.call(client.stubs.status.GetStatus, GetStatusRequest())
    if json:
        print_json(answer)
    else:
        _tell(answer)
    serving = [each.state == ServiceStatus.STATE_SERVING for each in answer.services]
    end(sum(serving), len(serving) - sum(serving))


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
