"""Writes docs/benchmark.md: `python -m tools.benchmarks.experiment.page [FOLDER]`.

FOLDER holds the benchmark.json of a run. It is kept beside this package and its charts beside the
page, so that a test can compare the page with it. Without FOLDER the kept results are written.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from tools import generated
from tools.benchmarks.experiment import charts, report
from tools.benchmarks.experiment.results import FORMAT, NAME, read

KEPT = Path(__file__).parents[1] / NAME
PAGE = generated.DOCS / "benchmark.md"
PICTURES = generated.DOCS / "images" / "benchmark"
CHARTS = {
    "Search": "search.png",
    "Embedding": "embedding.png",
    "End to end": "end_to_end.png",
    "Growth": "growth.png",
}


def section(content: dict[str, Any]) -> str:
    """Returns the generated part of the page."""
    parts = [report.where(content)]
    for title, write in report.SECTIONS.items():
        if text := write(content):
            chart = CHARTS.get(title)
            picture = [f"![{title}](images/benchmark/{chart})"] if chart else []
            parts += [f"### {title}", *picture, text]
    parts += filter(None, [report.not_measured(content)])
    return "\n\n".join(parts)


def keep(source: Path) -> None:
    """Keeps the results of a run and draws its charts."""
    content = read(source)
    if content.get("format") != FORMAT:
        sys.exit(f"{source} is of another version of the benchmark: run `make benchmark` again")
    shutil.copyfile(source, KEPT)
    charts.draw(content, PICTURES)


def main() -> None:
    """Keeps new results, if a folder is named, and writes the page."""
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    if len(sys.argv) == 2:
        keep(Path(sys.argv[1]) / NAME)
    generated.write(PAGE, section(read(KEPT)))


if __name__ == "__main__":
    main()
