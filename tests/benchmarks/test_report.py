"""The text of the benchmark's report for given results, and its charts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from index_service.plan import memory_bytes
from tools.benchmarks.experiment import charts, page, report
from tools.benchmarks.experiment.planning import SEGMENT_ROWS, plan
from tools.benchmarks.experiment.run import steps_of
from tools.benchmarks.experiment.settings import Part, Settings

HNSW = "HNSW M=16 efConstruction=200"
SETTINGS = Settings(rows=650_000)
SIZES = (10_000, 100_000, 650_000)
SERVICES = ("gateway", "embedding", "index", "catalog")


def times(p50: float) -> dict[str, float]:
    """As the benchmark keeps them."""
    return {"p50_ms": p50, "p99_ms": 2 * p50}


def size(rows: int, kind: str = HNSW, *, search: float = 2.0, milvus: float = 500.0) -> dict:
    """The measurements of one size. Our services take the same memory at each."""
    ours = dict.fromkeys(SERVICES, 100.0)
    return {
        "rows": rows,
        "index_type": kind,
        "filled": {"rows_a_second": 1000.0, "vectors_a_second": 10_000.0},
        "search": times(search),
        "exact": times(rows / 20_000),
        "lookup": times(3.0),
        "page": times(5.0),
        "search_less_backbone_ms": 7.0,
        "upload": {"upload": times(250.0)},
        "import": {"clips_a_second": 4.0, "encoder_clips_a_second": 5.0},
        "memory_mib": {**ours, "milvus": milvus},
        "sizes": {"database_mib": rows / 1000, "index_estimate_mib": rows / 1000},
    }


def growing() -> list[dict]:
    """Three sizes: FLAT, then HNSW twice, whose search takes twice as long at the last."""
    return [
        size(10_000, "FLAT", search=50.0, milvus=100.0),
        size(100_000, search=2.0, milvus=400.0),
        size(650_000, search=4.0, milvus=500.0),
    ]


def point(recall: float) -> dict[str, Any]:
    """One setting of a way to search."""
    rates = ("one_caller_a_second", "at_once_a_second", "together_a_second")
    return {"setting": "ef 10", "recall": recall, **times(2.0), "timed": 1000} | dict.fromkeys(
        rates, 400.0
    )


def results(sizes: list[dict], **steps: Any) -> dict[str, Any]:
    """A benchmark.json: what was measured at sizes, and other steps."""
    found = {f"growth/{each['rows']}": each for each in sizes} | steps
    machine = {"cores": 2, "processor": "one", "memory_gib": 24, "system": "Linux 6"}
    return {
        "machine": machine,
        "settings": SETTINGS.to_json(),
        "steps": {name: {"result": each, "load_before": 1.0} for name, each in found.items()},
        "left_out": {},
    }


def all_of_it() -> dict[str, Any]:
    """Results of every step."""
    parts = dict.fromkeys(("decode", "features", "backbone", "index", "catalog", "wire"), 2.0)
    many = {**times(80.0), "callers": 16, "a_second": 20.0}
    many["steps_p50_ms"] = {"embedding": 61.0, "index": 62.0, "catalog": 63.0}
    demo = {"embedding": 900.0, "milvus": 60.0, "mysql": 40.0}
    rows = [
        {"route": route, "clips": clips, "length": 5, "seconds": seconds, "cosine": 1.0}
        for route, clips, seconds in (
            ("VectorExecutor", 1, 0.9),
            ("VectorExecutor, 2 threads", 1, 0.5),
            ("fp32", 1, 0.2),
            ("fp32", 16, 0.1),
        )
    ]
    steps = {
        "search/wrapping": {"ours": times(3.0), "bare": times(2.0)},
        "search/filtered": {
            "no condition": {"recall": 0.96, **times(2.0)},
            "label, 10%": {"recall": 0.97, **times(3.0)},
        },
        "search/grouped": {
            "no condition": {"recall": 1.0, **times(10.0)},
            "label, 10%": times(11.0),
            "grouped by label": {"recall": 0.9, **times(13.0)},
        },
        "end-to-end": {
            "one": {**times(12.0), "steps_p50_ms": parts, "all_but_backbone_p50_ms": 7.9},
            "many": many,
        },
        "end-to-end/demo": {
            "ours": times(150.0),
            "demo": {**times(1000.0), "steps_p50_ms": demo},
            "share": 0.15,
            "mysql_without_an_index_ms": 300.0,
            "embedding_all_cores_ms": 500.0,
        },
        "ingest": {
            "import": {
                "clips_a_second": 4.0,
                "encoder_clips_a_second": 5.0,
                "share_of_encoder": 0.8,
            },
            "upload": {
                "upload": times(250.0),
                "upload_to_found": times(240.0),
                "found_by_the_first_search": 1.0,
                "clips": 50,
            },
        },
        "segments": {
            "recordings": 2,
            "seconds_each": 300,
            "short_clips": 8,
            "vectors_of_short_clips": 8,
            "vectors": 398,
            "vectors_an_hour": 2388.0,
            "index_mib_an_hour": 3.6,
            "vectors_a_second": 18.0,
            "encoder_vectors_a_second": 20.0,
            "share_of_encoder": 0.9,
            "times_real_time": 27.1,
            "memory_before_mib": dict.fromkeys(SERVICES, 100.0),
            "memory_after_mib": dict.fromkeys(SERVICES, 110.0),
        },
        "embedding": {"rows": rows},
    }
    routes = ("index service", "bare pymilvus", "demo", "hnswlib", "faiss")
    curves = {f"search/{name}": {"route": name, "points": [point(0.95)]} for name in routes}
    return results(growing(), **curves, **steps)


def row(text: str, name: str) -> list[str]:
    """The cells of the one row of that name."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def english(content: dict[str, Any], title: str) -> str:
    """One section."""
    return report.SECTIONS[title](content)


@pytest.mark.parametrize(
    "content", [all_of_it(), results(growing()[:1]), results([])], ids=["all", "little", "nothing"]
)
def test_it_is_written_whatever_is_missing(content: dict[str, Any]) -> None:
    """With a line for each step that was not measured."""
    assert page.section(content).count("- Not measured") == len(missing(content))


def missing(content: dict[str, Any]) -> set[str]:
    """Names of the steps that are not there."""
    return set(steps_of([part.value for part in Part], SETTINGS)) - set(content["steps"])


def test_what_is_missing_is_named_with_the_reason() -> None:
    """By the page and by the table beside the results."""
    content = all_of_it()
    del content["steps"]["search/faiss"], content["steps"]["ingest"]
    content["left_out"]["search/faiss"] = "faiss is not installed"
    for text in (page.section(content), report.report(content)):
        assert "- Not measured: `search/faiss` (faiss is not installed)" in text
        assert "- Not measured: `ingest` (not run yet)" in text
        assert text.count("Not measured") == 2
    assert "Not measured" not in page.section(all_of_it())


def test_results_of_another_version_do_not_get_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages lack its present text."""
    (tmp_path / "benchmark.json").write_text('{"format": 1, "steps": {}}')
    monkeypatch.setattr("sys.argv", ["page", str(tmp_path)])
    with pytest.raises(SystemExit, match="another version of the benchmark: run `make benchmark`"):
        page.main()


def test_a_chart_of_one_size_has_no_exponents(tmp_path: Path) -> None:
    """It is drawn all the same."""
    assert charts.draw(results(growing()[:1]), tmp_path) == ["growth.png"]
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_whoever_has_vectors_alone_is_told_what_is_quicker() -> None:
    """At each size NumPy, at the last one every other way that finds as much."""
    text = english(all_of_it(), "Instead of it")
    assert row(text, "10,000") == ["50.00 ms", "NumPy, every vector 0.50 ms", "NumPy, every vector"]
    ours, others, quickest = row(text, "650,000")
    assert ours == "4.00 ms"
    assert "NumPy, every vector 32.50 ms" in others
    assert "hnswlib 2.00 ms" in others
    assert "index service" not in others
    assert quickest != "NumPy, every vector"
    assert english(results([]), "Instead of it") == ""


def test_the_index_service_is_held_against_bare_pymilvus() -> None:
    """At the first settings of both that find enough."""
    content = all_of_it()
    slow = point(0.99) | times(3.0) | {"together_a_second": 100.0}
    content["steps"]["search/index service"]["result"]["points"] = [point(0.5), slow]
    text = english(content, "Goals")
    time = "the index service takes at most 1.3 times as long as bare pymilvus, p50"
    assert row(text, time) == ["3.00 / 2.00 ms: 1.50 times", "no"]
    rate = "in calls of 100 it answers at least 0.6 of bare pymilvus' queries a second"
    assert row(text, rate) == ["100 / 400 queries a second: 0.25", "no"]


def test_growth_of_a_search_is_that_of_one_kind_of_index() -> None:
    """FLAT takes longer for fewer rows, which says nothing about HNSW."""
    text = english(results(growing()), "Growth")
    assert row(text, "kind of index") == ["FLAT", "HNSW", "HNSW", ""]
    assert row(text, "a search in the index, ms") == ["50.0", "2.0", "4.0", "0.37"]
    assert "Exponents over the sizes with HNSW alone" in text
    one = english(results(growing()[:2]), "Growth")
    assert row(one, "a search in the index, ms") == ["50.0", "2.0", ""]
    alike = english(results([size(rows, "FLAT") for rows in SIZES]), "Growth")
    assert "alone" not in alike


def test_a_search_is_carried_on_from_hnsw_to_a_segment() -> None:
    """By its exponent, and no further than the rows of a segment."""
    for planned in plan(growing()):
        assert planned["search"]["ms"] == pytest.approx(
            4.0 * 2 ** (math.log(SEGMENT_ROWS / 650_000) / math.log(6.5))
        )
        assert not planned["search"]["constant"]


@pytest.mark.parametrize("kinds", [("FLAT",) * 3, ("FLAT", "FLAT", HNSW)])
def test_without_two_sizes_of_hnsw_no_search_is_planned(kinds: tuple[str, ...]) -> None:
    """And memory is the service's estimate for HNSW, not FLAT's."""
    sizes = [size(rows, kind) for rows, kind in zip(SIZES, kinds, strict=True)]
    text = english(results(sizes), "Planning")
    assert row(text, "a search in a segment, p50") == ["", ""]
    estimate = memory_bytes("HNSW", {"M": "16"}, 1, 192)
    memory = row(text, "a vector in HNSW in Milvus' memory")
    assert memory == [f"{estimate:,} bytes, estimated"] * 2


def test_memory_is_what_milvus_grew_by_if_that_is_more() -> None:
    """Only sizes with HNSW count, not those with FLAT."""
    sizes = growing()
    sizes[-1]["memory_mib"]["milvus"] = 400 + 2000 * 550_000 / 2**20
    text = english(results(sizes), "Planning")
    memory = row(text, "a vector in HNSW in Milvus' memory")
    assert memory == ["2,000 bytes, measured"] * 2


def test_what_seems_to_get_cheaper_is_taken_as_constant() -> None:
    """And said to be."""
    sizes = growing()
    sizes[-1]["search"], sizes[-1]["lookup"] = times(1.5), times(2.0)
    text = english(results(sizes), "Planning")
    assert row(text, "a search in a segment, p50") == ["1.5 ms, taken as constant"] * 2
    assert (
        row(text, "a look-up of ten clips in the catalog, p50") == ["2.0 ms, taken as constant"] * 2
    )


def test_machines_hold_the_vectors_and_embed_the_clips() -> None:
    """Two copies on nodes filled to 70 %, and replicas for the hours given; rates are measured."""
    first, _ = plan(growing())
    assert first["query_nodes"] == 2
    assert first["embedding_replicas"] == 24  # 10,000,000 clips, 5 a second, 24 hours
    assert first["machines"] == 26
    assert first["hours_to_import"] == pytest.approx(10_000_000 / 4 / 3600)
    assert first["hours_of_vectors"] == pytest.approx(1000 / 3600)
    assert first["hours_of_rows"] == pytest.approx(10_000 / 3600)


def test_goals_hold_or_not_by_what_was_measured() -> None:
    """With all cores the demo takes 600 ms here, of which 150 are more than a fifth."""
    content = all_of_it()
    goals = report.SECTIONS["Goals"](content).splitlines()[2:]
    held = [line.rsplit("|", 2)[1].strip() for line in goals]
    assert held[:4] == ["yes", "yes", "no", "yes"]
    assert held[4:] == ["yes", "yes", "no", "yes", "no", "yes", "yes", "yes", "yes"]
    assert "150 ms / 600 ms: 25 %" in goals[2]
    content["steps"]["end-to-end"]["result"]["one"]["all_but_backbone_p50_ms"] = 8.0
    content["steps"]["ingest"]["result"]["import"]["share_of_encoder"] = 0.9
    content["steps"]["growth/650000"]["result"]["memory_mib"]["index"] = 144.0
    content["steps"]["search/grouped"]["result"]["grouped by label"]["p50_ms"] = 14.0
    content["steps"]["segments"]["result"] |= {"share_of_encoder": 0.89, "short_clips": 4}
    del content["steps"]["end-to-end/demo"]
    goals = report.SECTIONS["Goals"](content).splitlines()[2:]
    held = [line.rsplit("|", 2)[1].strip() for line in goals]
    assert held[:4] == ["", "", "", "no"]
    assert held[4:] == ["yes", "yes", "yes", "no", "no", "no", "yes", "no", "no"]
    assert all("| not measured |" in line for line in goals[:3])
    assert "1.11 times (most: index, 1.44)" in goals[7]
    assert "1.50 times (label, 10%)" in goals[8]
    assert "1.40 times (grouped by label)" in goals[9]
    assert "0.960 (no condition)" in goals[10]
    assert "8 vectors of 4 clips" in goals[12]


def test_searches_are_set_beside_the_plain_one() -> None:
    """Of the index with conditions, and of the gateway also with groups; recall where known."""
    text = english(all_of_it(), "Search")
    narrowed, grouped = text.split("| of the plain search |")[1:]
    assert row(narrowed, "label, 10%") == ["0.970", "3.00 ms", "6.00 ms", "1.50 x"]
    assert row(grouped, "label, 10%") == ["", "11.00 ms", "22.00 ms", "1.10 x"]
    assert row(grouped, "grouped by label") == ["0.900", "13.00 ms", "26.00 ms", "1.30 x"]


def test_long_recordings_have_their_costs() -> None:
    """Those of an hour of audio, and the rate beside the encoder's."""
    text = english(all_of_it(), "Segments")
    assert row(text, "vectors of an hour of audio") == ["2,388"]
    assert row(text, "vectors / clips of 5 s") == ["8 / 8"]
    assert row(text, "vectors a second, import of 2 of 300 s at once") == ["18.0"]
    assert row(text, "share of the encoder's rate") == ["0.90"]
    assert row(text, "memory of index before / after") == ["100 / 110 MiB"]


def test_the_demo_is_given_all_cores_too() -> None:
    """As it comes 1,000 ms; 400 less with all cores."""
    text = english(all_of_it(), "End to end")
    assert "1,000 ms (VectorExecutor 900 ms" in text
    assert "against 150 ms: 15 % of its time" in text
    assert "it takes 500 ms, which would make 600 ms of the demo's time, and ours 25 %" in text


def test_published_times_are_those_of_the_document() -> None:
    """It gives one, at recall 0.90; others are not made from rates."""
    lines = [line for line in english(all_of_it(), "Search").splitlines() if "published |" in line]
    cells = [[cell.strip() for cell in line.split("|")[2:5]] for line in lines]
    assert cells == [["0.90", "2.9 ms", ""], ["0.95", "", ""], ["0.99", "", ""]]


def test_it_says_how_many_calls_percentiles_rest_on() -> None:
    """Of searches in the index, end to end, and of uploads."""
    text = page.section(all_of_it())
    assert (
        row(text, "index service, ef 10") == ["0.950", "2.00 ms", "4.00 ms", "1,000"] + ["400"] * 3
    )
    assert row(text, "one client, p50 / p99 of 100 searches") == ["12.0 ms / 24.0 ms"]
    assert row(text, "16 clients, p50 / p99 of 100 searches") == ["80.0 ms / 160 ms"]
    assert "in turn with ours, 50 searches each" in text
    assert row(text, "an upload, p50 of 50") == ["250 ms"]


def test_routes_and_steps_have_names_that_say_whose_they_are() -> None:
    """The step "wire" is named for all that it contains."""
    text = page.section(all_of_it())
    assert row(text, "VectorExecutor, as it comes (one thread)") == ["900.0 ms"]
    assert row(text, "VectorExecutor, 2 threads") == ["500.0 ms, 1.8 x"]
    assert row(text, "Audiosearch, fp32, 16 at once") == ["100.0 ms, 9.0 x"]
    assert row(text, "wire, gateway and waiting") == ["2.0 ms"]
    split = row(text, "16 clients, p50 of embedding, index, catalog")
    assert split == ["61.0 ms, 62.0 ms, 63.0 ms"]
