"""Writes the results as Markdown, in English or Chinese."""

from __future__ import annotations

from collections.abc import Callable

from audiosearch_cli.benchmarking import Part

from tools.benchmarks.experiment import goals, measured, planning
from tools.benchmarks.experiment.run import steps_of
from tools.benchmarks.experiment.settings import Settings
from tools.benchmarks.experiment.wording import Content, Words, words

SECTIONS: dict[str, Callable[[Content, Words], str]] = {
    "Goals": goals.goals,
    "Search": measured.search,
    "Embedding": measured.embedding,
    "End to end": measured.whole,
    "Ingest": measured.ingest,
    "Growth": measured.growth,
    "Planning": planning.planning,
}
"""Title and writer of each section. A writer returns an empty text without measurements."""


def report(content: Content) -> str:
    """Returns all tables under their titles."""
    w = words("en")
    parts = ["# Audiosearch, measured", where(content, w)]
    for title, section in SECTIONS.items():
        if text := section(content, w):
            parts += [f"## {title}", text]
    parts += filter(None, [not_measured(content, w)])
    return "\n\n".join(parts) + "\n"


def where(content: Content, w: Words) -> str:
    """Returns machine and settings as a paragraph."""
    machine, settings = content["machine"], content["settings"]
    loads = [step["load_before"] for step in content["steps"].values()] or [0.0]
    text = w(
        "{cores} cores of {processor}, {memory} GiB, {system}; "
        "{rows} vectors and clips on {stores}. Load average when a step began: {least} to {most}."
    ).format(
        cores=machine["cores"],
        processor=machine["processor"],
        memory=machine["memory_gib"],
        system=machine["system"],
        rows=f"{settings['rows']:,}",
        stores=w(settings["stores"]),
        least=f"{min(loads):.1f}",
        most=f"{max(loads):.1f}",
    )
    if settings["quick"]:
        text += " " + w("A quick run: it shows that all works, not how fast.")
    return text


def not_measured(content: Content, w: Words) -> str:
    """Returns a line with the reason for each missing step; empty if none is missing."""
    steps = steps_of([part.value for part in Part], Settings(**content["settings"]))
    missing = [name for name in steps if name not in content["steps"]]
    return "\n".join(
        "- "
        + w("Not measured: {name} ({why})").format(
            name=f"`{name}`", why=content["left_out"].get(name) or w("not run yet")
        )
        for name in missing
    )
