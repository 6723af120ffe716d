"""Writes results into the READMEs: `python -m tools.benchmarks.experiment.readme FOLDER`.

FOLDER holds a benchmark.json. It is kept beside this package with the charts, so that a test can
compare the READMEs with it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from tools import REPOSITORY
from tools.benchmarks.experiment import charts, report
from tools.benchmarks.experiment.results import FORMAT, NAME, read
from tools.benchmarks.experiment.wording import words

KEPT = Path(__file__).parents[1]
README = {"en": REPOSITORY / "README.md", "zh": REPOSITORY / "README_cn.md"}
BEGIN = "<!-- benchmark: what stands from here on is written by `make benchmark-readme` -->"
END = "<!-- benchmark: end -->"
CHARTS = {
    "Search": "search.png",
    "Embedding": "embedding.png",
    "End to end": "end_to_end.png",
    "Growth": "growth.png",
}


def section(content: dict[str, Any], language: str) -> str:
    """Returns the text between the two marks."""
    w = words(language)
    parts = [report.where(content, w)]
    for title, write in report.SECTIONS.items():
        if text := write(content, w):
            named = w(title)
            chart = CHARTS.get(title)
            picture = [f"![{named}](tools/benchmarks/{chart})"] if chart else []
            parts += [f"**{named}**", *picture, text]
    parts += filter(None, [report.not_measured(content, w)])
    return "\n\n".join(parts)


def with_section(text: str, content: dict[str, Any], language: str) -> str:
    """Returns a README with its section replaced. Raises SystemExit if it lacks the marks."""
    if not (text.count(BEGIN) == text.count(END) == 1):
        sys.exit(f"the README must hold these two lines once: {BEGIN} and {END}")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{section(content, language)}\n\n{END}{after}"


def main() -> None:
    """Keeps the results, draws the charts and writes the sections."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source = Path(sys.argv[1]) / NAME
    content = read(source)
    if content.get("format") != FORMAT:
        sys.exit(f"{source} is of another version of the benchmark: run `make benchmark` again")
    if source != KEPT / NAME:
        shutil.copyfile(source, KEPT / NAME)
    charts.draw(content, KEPT)
    for language, path in README.items():
        text = with_section(path.read_text(encoding="utf-8"), content, language)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
