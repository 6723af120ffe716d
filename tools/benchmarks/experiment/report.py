"""Writes the results as Markdown."""

from __future__ import annotations

from collections.abc import Callable

from tools.benchmarks.experiment import goals, measured, planning
from tools.benchmarks.experiment.run import steps_of
from tools.benchmarks.experiment.settings import Part, Settings
from tools.benchmarks.experiment.wording import Content

SECTIONS: dict[str, Callable[[Content], str]] = {
    "Goals": goals.goals,
    "Search": measured.search,
    "Instead of it": measured.instead,
    "Embedding": measured.embedding,
    "End to end": measured.whole,
    "Ingest": measured.ingest,
    "Segments": measured.segments,
    "Growth": measured.growth,
    "Planning": planning.planning,
}
"""Title and writer of each section. A writer returns an empty text without measurements."""


def report(content: Content) -> str:
    """Returns all tables under their titles."""
    parts = ["# Audiosearch, measured", where(content)]
    for title, section in SECTIONS.items():
        if text := section(content):
            parts += [f"## {title}", text]
    parts += filter(None, [not_measured(content)])
    return "\n\n".join(parts) + "\n"


def where(content: Content) -> str:
    """Returns machine and settings as a paragraph."""
    machine, settings = content["machine"], content["settings"]
    loads = [step["load_before"] for step in content["steps"].values()] or [0.0]
    text = (
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, "
        f"{machine['system']}; {settings['rows']:,} vectors and clips on {settings['stores']}. "
        f"Load average when a step began: {min(loads):.1f} to {max(loads):.1f}."
    )
    if settings["quick"]:
        text += " A quick run: it shows that all works, not how fast."
    return text


def not_measured(content: Content) -> str:
    """Returns a line with the reason for each missing step; empty if none is missing."""
    steps = steps_of([part.value for part in Part], Settings(**content["settings"]))
    missing = [name for name in steps if name not in content["steps"]]
    return "\n".join(
        f"- Not measured: `{name}` ({content['left_out'].get(name) or 'not run yet'})"
        for name in missing
    )
