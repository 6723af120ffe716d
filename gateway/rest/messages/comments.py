"""The comments of the contracts, for the OpenAPI document: descriptors have none at run time."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from audiosearch.catalog.v1 import clip_pb2

_COMMENT = re.compile(r"\s*//\s?(.*)")
_PACKAGE = re.compile(r"package ([\w.]+);")
_SCOPE = re.compile(r"\s*(message|enum|service) (\w+)")
_NAMED = re.compile(r"\s*(?:rpc (\w+)\(|(?:[\w.<>, ]+ )?(\w+) = \d+\b)")
_FOREIGN = {
    "google.longrunning.ListOperationsRequest.name": "The library whose imports are listed, "
    "`libraries/{library}`; empty for those of all libraries.",
    "google.longrunning.ListOperationsRequest.filter": "Must be empty.",
    "google.longrunning.ListOperationsRequest.page_size": "At most so many; 0 means 100.",
    "google.longrunning.ListOperationsRequest.page_token": "`nextPageToken` of the page before.",
}
"""Comments on contracts that are not ours."""


@functools.cache
def comments() -> Mapping[str, str]:
    """The comment of each message, field, enum, value, service and RPC, by its full name."""
    contracts = Path(clip_pb2.__file__).parents[2]
    return _FOREIGN | {
        name: comment
        for path in sorted(contracts.rglob("*.proto"))
        for name, comment in _of(path.read_text("utf-8"))
    }


def _of(contract: str) -> Iterator[tuple[str, str]]:
    """Names and comments of one file, which is laid out as buf's rules want it."""
    depth, above = 0, list[str]()
    scopes: list[tuple[str, int]] = []
    for line in contract.splitlines():
        if comment := _COMMENT.match(line):
            above.append(comment[1].rstrip())
            continue
        scope, named = _SCOPE.match(line), _NAMED.match(line)
        inside = [name for name, _ in scopes]
        if package := _PACKAGE.match(line):
            scopes.append((package[1], 0))
        elif scope:
            scopes.append((scope[2], depth + 1))
        found = scope[2] if scope else named and (named[1] or named[2])
        if found and above:
            yield ".".join([*inside, found]), _paragraphs(above)
        above = []
        depth += line.count("{") - line.count("}")
        while scopes and depth < scopes[-1][1]:
            scopes.pop()


def _paragraphs(lines: list[str]) -> str:
    whole = "\n".join(lines)
    return "\n\n".join(" ".join(part.split("\n")) for part in whole.split("\n\n"))


def of_rpc(name: str) -> str:
    """The comment of an RPC of the gateway, such as `ListClips`; empty if there is none."""
    ours = (key for key in comments() if key.startswith("audiosearch.gateway.v1."))
    found = next((key for key in ours if key.endswith(f"Service.{name}")), "")
    return comments().get(found, "")
