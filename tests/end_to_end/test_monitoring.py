"""A real Prometheus scrapes the four services: dashboard and alerts ask for what there is."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.local_stack import METRICS_PORT, SERVICES
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from tests.conftest import REPOSITORY
from tests.end_to_end.conftest import Running
from tests.end_to_end.test_import import make_files, run_import
from tools.servers import prometheus
from tools.servers.debian import program, require
from tools.servers.prometheus import Prometheus

MONITORING = REPOSITORY / "deploy" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"


def port(running: Running, service: str) -> int:
    """The port on which a service exports its metrics."""
    return int(running.stack._environment(service)[METRICS_PORT])


def scrape(running: Running, service: str) -> dict[str, Any]:
    """The metrics of a service by name, as any scraper sees them."""
    url = f"http://127.0.0.1:{port(running, service)}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def expressions() -> Iterator[str]:
    """Those of the dashboard, over a short time."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "20s")


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    return [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]


def work(running: Running, library: str) -> None:
    """Imports with a file that fails, finds by gRPC and by REST, and asks for what is not there."""
    folder = running.folder()
    make_files(folder, 3)
    (folder / "text.wav").write_text("not audio")
    run_import(running, library, folder)
    running.client.search(library, folder / "0001.wav")
    with urllib.request.urlopen(f"{running.stack.web}v1/libraries", timeout=10) as answer:  # noqa: S310
        assert answer.status == 200
    with pytest.raises(ServiceError, match="no-such"):
        running.client.search("no-such", folder / "0001.wav")


@pytest.fixture(scope="module")
def server(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the shared stack before, between and after some work."""
    ports = {f"audiosearch-{service}": port(shared, service) for service in SERVICES}
    library = shared.library()
    with prometheus.running(tmp_path_factory.mktemp("prometheus"), ports, ALERTS) as running:
        end = time.monotonic() + 60
        while len(running.query('max_over_time(up{job=~"audiosearch-.*"}[20s]) == 1')) < 4:
            assert time.monotonic() < end
            time.sleep(0.2)
        work(shared, library)
        time.sleep(2.5)  # two more scrapes
        yield running


def test_each_panel_of_the_dashboard_shows_something(server: Prometheus) -> None:
    """Every name, label and value that its expressions ask for is there."""
    asked = list(expressions())
    assert len(asked) > 30
    assert [each for each in asked if not server.query(each)] == []


def test_alerts_ask_for_what_there_is_and_are_silent(server: Prometheus) -> None:
    """Names, labels and reasons; a healthy stack raises none."""
    names = set(server.get("/api/v1/label/__name__/values"))
    known = [*(reason.value for reason in Reason), "OK", "CANCELLED"]
    for rule in rules():
        asked = set(re.findall(r"\b(?:audiosearch|process)_\w+", rule["expr"])) or {"up"}
        assert asked <= names, rule["alert"]
        for name, value in re.findall(r'(\w+)=~?"([^"]*)"', rule["expr"]):
            found = server.get(f"/api/v1/label/{name}/values") if name != "reason" else known
            assert any(re.fullmatch(value, each) for each in found), (rule["alert"], value)
    (group,) = server.get("/api/v1/rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    alerts = [alert for rule in group["rules"] for alert in rule["alerts"]]
    assert [alert for alert in alerts if alert["state"] == "firing"] == []


def test_a_service_exports_its_metrics_with_bounded_labels(
    shared: Running, server: Prometheus
) -> None:
    """All that the file of names lists, and no id or name of a user's among the labels."""
    for service in SERVICES:
        found = scrape(shared, service)
        own = {metric._name for metric in (*metrics.SHARED, *metrics.OWN[service])}
        assert own == {name for name in found if not name.startswith("process_")}
        samples = [sample for family in found.values() for sample in family.samples]
        values = {value for sample in samples for value in sample.labels.values()}
        assert not [each for each in values if re.search(r"test-\d|no-such|01[0-9a-z]{24}", each)]
        assert len(samples) < 3000
    counted = scrape(shared, "gateway")["audiosearch_failures"].samples
    missing = [each.value for each in counted if each.labels["reason"] == "LIBRARY_NOT_FOUND"]
    assert missing[0] >= 1


def test_promtool_takes_all_files_and_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """Rules and configuration are valid, and the cases of alerts_test.yaml hold."""
    require(prometheus.PROGRAMS)
    cases = Path(__file__).with_name("alerts_test.yaml")
    document = yaml.safe_load(cases.read_text())
    (tmp_path / cases.name).write_text(yaml.safe_dump({**document, "rule_files": [str(ALERTS)]}))
    for command in (
        ("check", "rules", ALERTS),
        ("check", "config", MONITORING / "prometheus.yaml"),
        ("check", "config", MONITORING / "prometheus.compose.yaml"),
        ("test", "rules", tmp_path / cases.name),
    ):
        done = subprocess.run(
            [program("promtool"), *command], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
