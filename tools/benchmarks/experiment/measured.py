"""The sections of the report with measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.benchmarks import index_filtered
from tools.benchmarks.experiment import demo, end_to_end
from tools.benchmarks.experiment.growth import OF_ONE_KIND, OURS, fitted, kind, sizes_of
from tools.benchmarks.experiment.results import result
from tools.benchmarks.experiment.search import DEFAULT_TARGET, MOST, curves, reaching
from tools.benchmarks.experiment.settings import CALLERS, CLIP_SECONDS, Settings
from tools.benchmarks.experiment.wording import (
    SHOWN,
    Content,
    ms,
    percent,
    route_name,
    table,
)
from tools.benchmarks.vector_executor import PEER

TARGETS = (0.90, 0.95, 0.99, 0.999)
OURS_ROUTE = "index service"
PUBLISHED_AT = 0.90
"""The recall for which the demo's document gives the time of a search."""


def search(content: Content) -> str:
    """Writes, for each route, the cheapest settings that reach a recall."""
    found = curves(content)
    if not found:
        return ""
    titles = ["recall@10", "p50", "p99", "calls timed", "one caller, a second"]
    titles += ["{callers} callers, a second", "100 queries a call, a second"]
    rows = [row for route in found for row in _points(route)] + _published()
    parts = [table(["", *(title.format(callers=CALLERS) for title in titles)], rows)]
    parts += [_callers(), _taken_as()]
    if wrapped := result(content, "search/wrapping"):
        parts.append(_wrapping(wrapped))
    if narrowed := result(content, "search/filtered"):
        parts.append(_beside_plain("in the index: condition on, share let through", narrowed))
    if grouped := result(content, "search/grouped"):
        parts.append(_beside_plain("through the gateway, by a vector", grouped))
    return "\n\n".join(parts)


def instead(content: Content) -> str:
    """Writes what whoever has vectors alone would pick instead, at each size."""
    sizes = [each for each in sizes_of(content) if "exact" in each]
    if not sizes:
        return ""
    last, peers = sizes[-1]["rows"], _quickest(content)
    rows = []
    for each in sizes:
        others = {"NumPy, every vector": each["exact"]["p50_ms"]}
        others |= peers if each["rows"] == last else {}
        quickest = min(others, key=lambda name: others[name])
        shown = ", ".join(f"{name} {spent:.2f} ms" for name, spent in others.items())
        rows.append([f"{each['rows']:,}", f"{each['search']['p50_ms']:.2f} ms", shown, quickest])
    titles = ["vectors", "index service, p50", f"others that find {DEFAULT_TARGET}", "quickest"]
    return f"{table(titles, rows)}\n\n{_who_picks()}"


def _quickest(content: Content) -> dict[str, float]:
    """The median of each other way to search at the first setting that reaches the default."""
    found = {}
    for route in curves(content):
        point = reaching(route)
        if point and route["route"] != OURS_ROUTE:
            found[route["route"]] = point["p50_ms"]
    return found


def _who_picks() -> str:
    return (
        "One program that has nothing but vectors, and holds them in its memory, picks an index "
        "in its own process: no server is as quick. Several programs with vectors alone pick "
        "Milvus itself. The index service is for whoever wants the rest: recall instead of `ef`, "
        "conditions, one order of equal scores, a write that is seen by the next search, and an "
        "index that changes its type as it grows."
    )


def _points(route: Mapping[str, Any]) -> Iterable[list[str]]:
    """Yields the cheapest setting that reaches each target or else the best recall, each once."""
    chosen: dict[str, Mapping[str, Any]] = {}
    most = max(round(point["recall"], 3) for point in route["points"])
    for target in (min(target, most) for target in TARGETS):
        reaching = [point for point in route["points"] if round(point["recall"], 3) >= target]
        chosen[reaching[0]["setting"]] = reaching[0]
    for point in chosen.values():
        yield [
            f"{route['route']}, {point['setting']}",
            f"{point['recall']:.3f}",
            f"{point['p50_ms']:.2f} ms",
            f"{point['p99_ms']:.2f} ms",
            f"{point['timed']:,}",
            f"{point['one_caller_a_second']:,.0f}",
            f"{point['at_once_a_second']:,.0f}",
            f"{point['together_a_second']:,.0f}",
        ]


def _published() -> list[list[str]]:
    name, spent = "the earlier demo, as published", ms(demo.PUBLISHED_SEARCH_MS)
    rows = []
    for recall, rate in demo.PUBLISHED:
        p50 = spent if recall == PUBLISHED_AT else ""
        rows.append([name, f"{recall:.2f}", p50, "", "", f"{rate:.0f}", "", ""])
    return rows


def _callers() -> str:
    return (
        f"p50 and p99 are of one query a call from one caller. The {CALLERS} callers are threads "
        "of one Python process; indexes in process use one thread for one query and all cores "
        f"for a call of {MOST}."
    )


def _taken_as() -> str:
    return (
        "The demo's document gives what a search takes at recall {recall} alone, and does not say "
        "how many callers its rates are of. They are taken as one caller's: {rate} a second are "
        "{spent} each."
    ).format(
        recall=f"{PUBLISHED_AT:.2f}",
        rate=f"{dict(demo.PUBLISHED)[PUBLISHED_AT]:.0f}",
        spent=ms(demo.PUBLISHED_SEARCH_MS),
    )


def _wrapping(wrapped: Mapping[str, Any]) -> str:
    ours, bare = wrapped["ours"]["p50_ms"], wrapped["bare"]["p50_ms"]
    return (
        "The index service adds {added} ms to the call to Milvus that it makes "
        "({ours} against {bare} ms, in turn)."
    ).format(added=f"{ours - bare:.1f}", ours=f"{ours:.1f}", bare=f"{bare:.1f}")


def _beside_plain(title: str, measured: Mapping[str, Any]) -> str:
    """Writes searches with conditions or groups beside those without."""
    plain = measured[index_filtered.PLAIN]["p50_ms"]
    rows = [
        [
            name,
            f"{each['recall']:.3f}" if "recall" in each else "",
            f"{each['p50_ms']:.2f} ms",
            f"{each['p99_ms']:.2f} ms",
            f"{each['p50_ms'] / plain:.2f} x",
        ]
        for name, each in measured.items()
    ]
    return table([title, "recall@10", "p50", "p99", "of the plain search"], rows)


def embedding(content: Content) -> str:
    """Writes the time of each route from a file to its vector, and its speed beside the peer's."""
    measured = result(content, "embedding")
    if not measured:
        return ""
    rows = measured["rows"]
    lengths = sorted({row["length"] for row in rows})
    theirs = {row["length"]: row["seconds"] for row in rows if row["route"] == PEER}
    lines: dict[str, list[str]] = {}
    for row in rows:
        name = route_name(row["route"]) + (f", {row['clips']} at once" if row["clips"] > 1 else "")
        cell = f"{1000 * row['seconds']:.1f} ms"
        if theirs and row["route"] != PEER:
            cell += f", {theirs[row['length']] / row['seconds']:.1f} x"
        lines.setdefault(name, []).append(cell)
    titles = ["from a WAV file to its vector", *(f"{length} s" for length in lengths)]
    text = table(titles, [[name, *cells] for name, cells in lines.items()])
    if theirs:
        text += "\n\nx: how many times faster than VectorExecutor as it comes."
    return text


def whole(content: Content) -> str:
    """Writes the steps of a search end to end, beside the demo's."""
    ours, beside = result(content, "end-to-end"), result(content, "end-to-end/demo")
    if not ours:
        return ""
    searches, one = Settings(**content["settings"]).searches, ours["one"]
    rows = [[SHOWN.get(name, name), ms(one["steps_p50_ms"][name])] for name in end_to_end.STEPS]
    rows += [
        ["all but the backbone", ms(one["all_but_backbone_p50_ms"])],
        [f"one client, p50 / p99 of {searches} searches", _both(one)],
        *_many(ours["many"], searches),
    ]
    title = f"a clip of {CLIP_SECONDS} s, p50"
    text = table([title, "Audiosearch"], rows)
    if beside:
        text += "\n\n" + _beside(beside, searches // 2)
    return text


def _many(many: Mapping[str, Any], searches: int) -> list[list[str]]:
    """Returns the rows of many clients. The counts are those of end_to_end.measure."""
    callers, steps = many["callers"], many["steps_p50_ms"]
    count = max(searches, 2 * callers)
    names = {
        "{callers} clients, p50 / p99 of {count} searches": _both(many),
        "{callers} clients, p50 of embedding, index, catalog": ", ".join(
            ms(steps[name]) for name in ("embedding", "index", "catalog")
        ),
        "{callers} clients, searches a second": f"{many['a_second']:.1f}",
    }
    return [[name.format(callers=callers, count=count), cell] for name, cell in names.items()]


def _both(times: Mapping[str, float]) -> str:
    return f"{ms(times['p50_ms'])} / {ms(times['p99_ms'])}"


def as_it_is(beside: Mapping[str, Any]) -> float:
    """Returns the computed milliseconds of the demo's search without an index on its ids."""
    theirs = beside["demo"]
    spared = beside["mysql_without_an_index_ms"] - theirs["steps_p50_ms"]["mysql"]
    return float(theirs["p50_ms"] + spared)


def with_all_cores(beside: Mapping[str, Any]) -> float:
    """Returns the computed milliseconds of the demo's search with VectorExecutor on all cores."""
    theirs = beside["demo"]
    spared = theirs["steps_p50_ms"]["embedding"] - beside["embedding_all_cores_ms"]
    return float(theirs["p50_ms"] - spared)


def _beside(beside: Mapping[str, Any], count: int) -> str:
    theirs, ours = beside["demo"], beside["ours"]["p50_ms"]
    return (
        "The earlier demo, rebuilt, in turn with ours, {count} searches each: {whole} "
        "(VectorExecutor {embedding}, Milvus {milvus}, MySQL {mysql}, or {slow} without an index "
        "on its ids as it has it) against {ours}: {share} of its time. Its VectorExecutor has one "
        "thread as it comes; with all cores it takes {all_cores}, which would make {whole_so} of "
        "the demo's time, and ours {share_so} of that."
    ).format(
        count=count,
        whole=ms(theirs["p50_ms"]),
        slow=ms(beside["mysql_without_an_index_ms"]),
        ours=ms(ours),
        share=percent(beside["share"]),
        all_cores=ms(beside["embedding_all_cores_ms"]),
        whole_so=ms(with_all_cores(beside)),
        share_so=percent(ours / with_all_cores(beside)),
        **{name: ms(spent) for name, spent in theirs["steps_p50_ms"].items()},
    )


def ingest(content: Content) -> str:
    """Writes the figures of uploads and imports."""
    measured = result(content, "ingest")
    if not measured:
        return ""
    imported, upload = measured["import"], measured["upload"]
    rows = [
        ["searchable when the upload returns", percent(upload["found_by_the_first_search"])],
        [
            f"an upload, p50 of {upload['clips']}",
            ms(upload["upload"]["p50_ms"]),
        ],
        ["then a search by that very clip, whole, p50", ms(upload["upload_to_found"]["p50_ms"])],
        ["clips a second, from files to searchable", f"{imported['clips_a_second']:.1f}"],
        ["the encoder alone, on the same files", f"{imported['encoder_clips_a_second']:.1f}"],
        ["share of the encoder's rate", f"{imported['share_of_encoder']:.2f}"],
    ]
    return table(["", f"clips of {CLIP_SECONDS} s"], rows)


def segments(content: Content) -> str:
    """Writes the figures of long recordings."""
    measured = result(content, "segments")
    if not measured:
        return ""
    lengths = f"{measured['recordings']} of {measured['seconds_each']} s at once"
    short = f"{measured['vectors_of_short_clips']} / {measured['short_clips']}"
    before, after = measured["memory_before_mib"], measured["memory_after_mib"]
    rows = [
        ["vectors of an hour of audio", f"{measured['vectors_an_hour']:,.0f}"],
        [
            "memory of an hour of audio in the index, with attributes (estimated)",
            f"{measured['index_mib_an_hour']:.1f} MiB",
        ],
        [f"vectors / clips of {CLIP_SECONDS} s", short],
        [f"vectors a second, import of {lengths}", f"{measured['vectors_a_second']:.1f}"],
        ["the encoder alone, on the same files", f"{measured['encoder_vectors_a_second']:.1f}"],
        ["share of the encoder's rate", f"{measured['share_of_encoder']:.2f}"],
        ["times real time", f"{measured['times_real_time']:.1f}"],
        *(
            [f"memory of {name} before / after", f"{before[name]:,.0f} / {after[name]:,.0f} MiB"]
            for name in OURS
        ),
    ]
    return table(["", "long recordings"], rows)


def growth(content: Content) -> str:
    """Writes costs by size, and the exponents of their growth."""
    sizes = sizes_of(content)
    if not sizes:
        return ""
    titles = ["clips in the library", *(f"{each['rows']:,}" for each in sizes)]
    titles.append("grows with rows to the")
    rows = [["kind of index", *map(kind, sizes), ""]]
    rows += [
        [
            name,
            *("" if value is None else f"{value:,.1f}" for value in fit["values"]),
            "" if fit["exponent"] is None else f"{fit['exponent']:.2f}",
        ]
        for name, fit in fitted(sizes).items()
    ]
    text = table(titles, rows)
    return f"{text}\n\n{_of_one_kind(sizes)}" if len(set(map(kind, sizes))) > 1 else text


def _of_one_kind(sizes: Sequence[Mapping[str, Any]]) -> str:
    names = "; ".join(OF_ONE_KIND)
    return f"Exponents over the sizes with {kind(sizes[-1])} alone, if there are two: {names}."
