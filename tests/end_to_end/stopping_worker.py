"""A worker of migrations, in a process of its own, that is killed at a step.

`python -m tests.end_to_end.stopping_worker LIBRARY OWNER METHOD COUNT WHEN` begins the migration
of a library and works on it until it comes before or after the n-th call of a method.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from audiosearch.gateway.v1.migration_pb2 import MigrateLibraryRequest

from gateway.clips.life import Clips
from gateway.clips.mirror import Mirror
from gateway.libraries.libraries import Libraries
from gateway.settings import GatewaySettings
from gateway.speakers.wiring import Speakers
from gateway.upkeep import migrating
from gateway.upkeep.migrating import MigrationWorker
from gateway.upstream import Upstream

LEASE_SECONDS = 2
REPORT_SECONDS = 0.1


def kill_at(owner: Any, method: str, count: int, when: str) -> None:
    """Has this process die before or after the n-th call of a method."""
    real, calls = getattr(owner, method), 0

    async def stopping(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        mine = calls == count
        if mine and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await real(*given, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, method, stopping)


async def main(library: str, owner: str, method: str, count: str, when: str) -> None:
    """Works until it is killed."""
    settings = GatewaySettings()
    upstream = Upstream(settings)
    libraries, clips = Libraries(upstream), Clips(upstream)
    mirror = Mirror(upstream, clips.vectors)
    speakers = Speakers(upstream, libraries, clips, mirror, settings)
    worker = MigrationWorker(upstream, libraries, clips, speakers.upkeep)
    owners = {"libraries": libraries, "clips": clips, "catalog": upstream.libraries}
    migrating.LEASE_SECONDS, migrating.REPORT_SECONDS = LEASE_SECONDS, REPORT_SECONDS
    kill_at(owners[owner], method, int(count), when)
    await libraries.begin_migration(MigrateLibraryRequest(name=f"libraries/{library}"))
    await asyncio.wait_for(worker.run(), 120)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
