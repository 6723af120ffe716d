"""Writes the table of docs/metrics.md from the file of metrics: `python -m tools.metrics_page`."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from serving.monitoring import metrics
from tools import generated

PAGE = generated.DOCS / "metrics.md"


def name(metric: MetricWrapperBase) -> str:
    """Returns the name under which a metric is exported, with its labels."""
    (family,) = metric.describe()
    ending = "_total" if family.type == "counter" else ""
    labels = ", ".join(metric._labelnames)  # noqa: SLF001  nothing else tells them
    return f"{family.name}{ending}{{{labels}}}" if labels else f"{family.name}{ending}"


def _rows(listed: tuple[MetricWrapperBase, ...]) -> list[str]:
    families = [(metric, next(iter(metric.describe()))) for metric in listed]
    return [
        f"| `{name(metric)}` | {family.type} | {family.documentation} |"
        for metric, family in families
    ]


def section() -> str:
    """Returns the tables: that of every service, then each service's own."""
    head = ["| metric | kind | meaning |", "| --- | --- | --- |"]
    parts = ["### Every service", "\n".join([*head, *_rows(metrics.SHARED)])]
    for service, own in metrics.OWN.items():
        parts += [f"### {service.capitalize()}", "\n".join([*head, *_rows(own)])]
    return "\n\n".join(parts)


def main(page: Path = PAGE) -> None:
    """Writes the tables."""
    generated.write(page, section())


if __name__ == "__main__":
    main()
