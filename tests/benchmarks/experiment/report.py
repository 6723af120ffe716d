"""The results as Markdown tables, in English or Chinese."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.experiment import end_to_end, seed
from tests.benchmarks.experiment.growth import fitted, sizes_of
from tests.benchmarks.experiment.planning import plan
from tests.benchmarks.experiment.results import result
from tests.benchmarks.experiment.search import curves
from tests.benchmarks.experiment.settings import CALLERS, CLIP_SECONDS

TARGETS = (0.90, 0.95, 0.99, 0.999)
CHINESE = Path(__file__).with_name("chinese.json")
"""Each phrase of the report, and what README_cn.md says in its place."""

Content = Mapping[str, Any]
Words = Callable[[str], str]
Rows = Iterable[Sequence[str]]


def words(language: str) -> Words:
    """What translates a phrase: nothing for `en`; KeyError where the Chinese one is missing."""
    if language == "en":
        return lambda phrase: phrase
    known: dict[str, str] = json.loads(CHINESE.read_text(encoding="utf-8"))
    return known.__getitem__


def table(titles: Sequence[str], rows: Rows) -> str:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(content: Content) -> str:
    """All tables under their titles."""
    w = words("en")
    parts = ["# Audiosearch, measured", where(content, w)]
    for title, section in SECTIONS.items():
        if text := section(content, w):
            parts += [f"## {title}", text]
    if content["left_out"]:
        parts += ["## Left out", *(f"- {name}: {why}" for name, why in content["left_out"].items())]
    return "\n\n".join(parts) + "\n"


def where(content: Content, w: Words) -> str:
    """Machine and settings in a paragraph."""
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


def search(content: Content, w: Words) -> str:
    """For each way to search the cheapest settings that reach a recall."""
    found = curves(content)
    if not found:
        return ""
    titles = ["", "recall@10", "p50", "p99", "one caller, a second"]
    titles += ["{callers} callers, a second", "100 queries a call, a second"]
    rows = [row for route in found for row in _points(route)]
    rows += [
        [
            w("the earlier demo, as published"),
            f"{share:.2f}",
            f"{1000 / rate:.1f} ms",
            "",
            f"{rate:.0f}",
            "",
            "",
        ]
        for share, rate in seed.PUBLISHED
    ]
    text = table([w(title).format(callers=CALLERS) if title else "" for title in titles], rows)
    if wrapped := result(content, "search/wrapping"):
        ours, bare = wrapped["ours"]["p50_ms"], wrapped["bare"]["p50_ms"]
        text += "\n\n" + w(
            "The index service adds {added} ms to the call to Milvus that it makes "
            "({ours} against {bare} ms, in turn)."
        ).format(added=f"{ours - bare:.1f}", ours=f"{ours:.1f}", bare=f"{bare:.1f}")
    return text


def _points(route: Mapping[str, Any]) -> Rows:
    """The cheapest settings that reach each target, each once; the best one if none does."""
    chosen: dict[str, Mapping[str, Any]] = {}
    for target in TARGETS:
        reaching = [point for point in route["points"] if point["recall"] >= target]
        point = reaching[0] if reaching else route["points"][-1]
        chosen[point["setting"]] = point
    for point in chosen.values():
        yield [
            f"{route['route']}, {point['setting']}",
            f"{point['recall']:.3f}",
            f"{point['p50_ms']:.2f} ms",
            f"{point['p99_ms']:.2f} ms",
            f"{point['one_caller_a_second']:,.0f}",
            f"{point['at_once_a_second']:,.0f}",
            f"{point['together_a_second']:,.0f}",
        ]


def embedding(content: Content, w: Words) -> str:
    """What each route takes from a file to its vector, and how many times faster than the peer."""
    measured = result(content, "embedding")
    if not measured:
        return ""
    rows = measured["rows"]
    lengths = sorted({row["length"] for row in rows})
    theirs = {row["length"]: row["seconds"] for row in rows if row["route"] == "VectorExecutor"}
    lines: dict[str, list[str]] = {}
    for row in rows:
        name = row["route"] + (
            w(", {clips} at once").format(clips=row["clips"]) if row["clips"] > 1 else ""
        )
        cell = f"{1000 * row['seconds']:.1f} ms"
        if theirs and row["route"] != "VectorExecutor":
            cell += f", {theirs[row['length']] / row['seconds']:.1f} x"
        lines.setdefault(name, []).append(cell)
    titles = [w("from a WAV file to its vector"), *(f"{length} s" for length in lengths)]
    return table(titles, [[name, *cells] for name, cells in lines.items()])


def whole(content: Content, w: Words) -> str:
    """A search end to end, step by step, beside the demo's."""
    ours, beside = result(content, "end-to-end"), result(content, "end-to-end/demo")
    if not ours:
        return ""
    steps, one, many = ours["one"]["steps_p50_ms"], ours["one"], ours["many"]
    rows = [[w(name), _ms(steps[name])] for name in end_to_end.STEPS]
    rows += [
        [w("all but the backbone"), _ms(one["all_but_backbone_p50_ms"])],
        [w("one client, p50 / p99"), f"{_ms(one['p50_ms'])} / {_ms(one['p99_ms'])}"],
        [
            w("{callers} clients, p50 / p99").format(callers=many["callers"]),
            f"{_ms(many['p50_ms'])} / {_ms(many['p99_ms'])}",
        ],
        [
            w("{callers} clients, searches a second").format(callers=many["callers"]),
            f"{many['a_second']:.1f}",
        ],
    ]
    text = table(
        [w("a clip of {seconds} s, p50").format(seconds=CLIP_SECONDS), "Audiosearch"], rows
    )
    if beside:
        text += "\n\n" + _beside(beside, w)
    return text


def _beside(beside: Mapping[str, Any], w: Words) -> str:
    demo, steps = beside["demo"], beside["demo"]["steps_p50_ms"]
    return w(
        "The earlier demo, rebuilt, in turn with ours: {whole} (VectorExecutor {embedding}, "
        "Milvus {milvus}, MySQL {mysql}, or {slow} without an index on its ids as it has it) "
        "against {ours}: {share} of its time."
    ).format(
        whole=_ms(demo["p50_ms"]),
        slow=_ms(beside["mysql_without_an_index_ms"]),
        ours=_ms(beside["ours"]["p50_ms"]),
        share=f"{100 * beside['share']:.0f} %",
        **{name: _ms(spent) for name, spent in steps.items()},
    )


def ingest(content: Content, w: Words) -> str:
    """Imports and uploads."""
    measured = result(content, "ingest")
    if not measured:
        return ""
    imported, upload = measured["import"], measured["upload"]
    rows = [
        [w("clips a second, from files to searchable"), f"{imported['clips_a_second']:.1f}"],
        [w("the encoder alone, on the same files"), f"{imported['encoder_clips_a_second']:.1f}"],
        [w("share of the encoder's rate"), f"{imported['share_of_encoder']:.2f}"],
        [w("an upload, p50"), _ms(upload["upload"]["p50_ms"])],
        [
            w("from its answer until a search has found it, p50"),
            _ms(upload["upload_to_found"]["p50_ms"]),
        ],
        [w("found by the first search"), f"{100 * upload['found_by_the_first_search']:.0f} %"],
    ]
    return table(["", w("clips of {seconds} s").format(seconds=CLIP_SECONDS)], rows)


def growth(content: Content, w: Words) -> str:
    """Costs by size, and the exponents of their growth."""
    sizes = sizes_of(content)
    if not sizes:
        return ""
    titles = [
        w("clips in the library"),
        *(f"{each['rows']:,}" for each in sizes),
        w("grows with rows to the"),
    ]
    rows = [
        [
            w(name),
            *("" if value is None else f"{value:,.1f}" for value in fit["values"]),
            "" if fit["exponent"] is None else f"{fit['exponent']:.2f}",
        ]
        for name, fit in fitted(sizes).items()
    ]
    return table(titles, rows)


def planning(content: Content, w: Words) -> str:
    """What larger libraries would take."""
    sizes = sizes_of(content)
    if len(sizes) < 2:
        return ""
    plans = plan(sizes)
    facts: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "vectors as floats": lambda it: _gib(it["vectors_gib"]),
        "HNSW in Milvus' memory, one copy": lambda it: _gib(it["index_gib"]),
        "query nodes of 64 GiB, two copies": lambda it: f"{it['query_nodes']}",
        "Milvus: shards, and segments of 4 GiB": lambda it: f"{it['shards']}, {it['segments']:,}",
        "database": lambda it: _gib(it["database_gib"]),
        "audio, WAV of 5 s": lambda it: f"{it['audio_tib']:,.1f} TiB",
        "hours to embed, one machine as this": lambda it: f"{it['one_replica_hours']:,.0f}",
        "embedding replicas, and the hours they take": lambda it: (
            f"{it['embedding_replicas']}, {it['hours']}"
        ),
        "a search in one index of all, by its exponent": lambda it: _ms(it["search_ms"]),
        "a look-up, by its exponent": lambda it: _ms(it["lookup_ms"]),
    }
    titles = [
        w("computed, not measured"),
        *(w("{clips} clips").format(clips=f"{each['clips']:,}") for each in plans),
    ]
    return table(
        titles, [[w(name), *(fact(each) for each in plans)] for name, fact in facts.items()]
    )


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def _gib(value: float) -> str:
    return f"{value:,.1f} GiB" if value < 1024 else f"{value / 1024:,.1f} TiB"


SECTIONS: dict[str, Callable[[Content, Words], str]] = {
    "Search": search,
    "Embedding": embedding,
    "End to end": whole,
    "Ingest": ingest,
    "Growth": growth,
    "Planning": planning,
}
"""Title and what writes it; nothing where nothing was measured."""
