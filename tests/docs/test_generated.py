"""The generated parts of docs/ say what the code and the kept results say: see `make docs`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import generated, metrics_page, settings_page
from tools.benchmarks.experiment import page as benchmark_page
from tools.benchmarks.experiment.results import read

STALE = "the page is stale: run `make docs`"


def test_settings() -> None:
    """Variables, defaults and meanings of all services."""
    page = settings_page.PAGE
    written = generated.with_section(page, settings_page.section())
    assert page.read_text(encoding="utf-8") == written, STALE
    for kind in settings_page.SERVICES.values():
        for name, field in kind.model_fields.items():
            assert f"| `{settings_page.variable(name, field)}` |" in written


def test_metrics() -> None:
    """Names, labels and meanings, and no metric that only one of file and page has."""
    page = metrics_page.PAGE
    written = generated.with_section(page, metrics_page.section())
    assert page.read_text(encoding="utf-8") == written, STALE


def test_benchmark() -> None:
    """The results that are kept."""
    page = benchmark_page.PAGE
    written = generated.with_section(page, benchmark_page.section(read(benchmark_page.KEPT)))
    assert page.read_text(encoding="utf-8") == written, STALE


def test_all_but_the_section_stays(tmp_path: Path) -> None:
    """Also when it is written a second time; a page without the marks is refused."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{generated.BEGIN}\nold\n{generated.END}\nafter\n")
    for section in ("new", "newer", "newer"):
        generated.write(page, section)
    assert page.read_text() == f"before\n{generated.BEGIN}\n\nnewer\n\n{generated.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="must hold these two lines once"):
        generated.write(page, "new")
