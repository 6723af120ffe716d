"""The port for Prometheus."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.errors import Reason, ServiceError
from serving.monitoring.exporter import MOST, exported
from serving.places import Places


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an exporter."""
    with exported("catalog", "127.0.0.1", 0) as found:
        yield found


def scrape(port: int) -> dict[tuple[str, str], float]:
    """Values of all metrics with one label or none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_queue_is_seen_with_its_waits_and_refusals(port: int) -> None:
    """Its length is that of the moment of the scrape."""
    places = Places("own", 1, 1, lambda: ServiceError(Reason.CATALOG_BUSY, "full"))
    await places.take()
    seen = scrape(port)
    assert seen["audiosearch_queue_length", "own"] == 1
    assert seen["audiosearch_queue_places", "own"] == 2
    assert seen["audiosearch_queue_wait_seconds_count", "own"] == 1
    places.give_back()
    assert scrape(port)["audiosearch_queue_length", "own"] == 0


def test_idle_connections_are_few_and_leave_room_in_time(port: int) -> None:
    """More than a few get no thread; a scrape is answered once one of them is gone."""
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as refused:
        assert refused.recv(1) == b""
    for each in idle:
        each.close()
    for _ in range(100):
        try:
            assert scrape(port)
        except (ConnectionError, http.client.HTTPException):
            continue
        return
    pytest.fail("no place came free")


def test_a_taken_port_is_told_with_the_setting(port: int) -> None:
    """In one sentence."""
    with (
        pytest.raises(SystemExit, match="AUDIOSEARCH_METRICS_PORT"),
        exported("index", "127.0.0.1", port),
    ):
        pass


def test_no_port_means_no_exporter() -> None:
    """As it is by default."""
    with exported("index", "127.0.0.1", None) as found:
        assert found == 0
