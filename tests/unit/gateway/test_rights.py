"""Rights: what a key may do, and that no RPC of the gateway goes without a rule."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from audiosearch.catalog.v1 import library_pb2
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from pydantic import ValidationError

from gateway.access import api_key
from gateway.access.rights import EVERY, OPERATOR, Caller, Right, authorize
from gateway.access.rules import RULES
from serving.errors import Reason, ServiceError
from tests.contracts import services

SERVICES = [
    *services("gateway"),
    *operations_pb2.DESCRIPTOR.services_by_name.values(),
]
METHODS: list[MethodDescriptor] = [method for service in SERVICES for method in service.methods]


def path_of(method: MethodDescriptor) -> str:
    """As it stands on the wire."""
    return f"/{method.containing_service.full_name}/{method.name}"


def test_every_rpc_has_a_rule_and_every_rule_an_rpc() -> None:
    """So that none can be forgotten."""
    assert set(RULES) == {path_of(method) for method in METHODS}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_rule_finds_the_library_in_its_request(method: MethodDescriptor) -> None:
    """An empty request names none, which is FIELD_INVALID and no crash."""
    library = RULES[path_of(method)].library
    if library:
        with pytest.raises(ServiceError) as raised:
            library(method.input_type._concrete_class())
        assert raised.value.reason is Reason.FIELD_INVALID


def test_what_changes_something_needs_more_than_reading() -> None:
    """Only calls that the contract marks as free of side effects go with `read`, or with none.

    The objects at an operator's place are no library's: whoever may not add them is not told them.
    """
    reads = ("GetOperation", "ListOperations", "WaitOperation")  # their contract has no such mark
    for method in METHODS:
        free = method.GetOptions().idempotency_level == 1 or method.name in reads
        free = free and method.name != "ListReferences"
        right = RULES[path_of(method)].right
        assert (right in (None, Right.read)) == free, method.name


def test_each_right_includes_those_before_it() -> None:
    """Read, write, manage."""
    for right, rights in (
        (Right.read, [Right.read]),
        (Right.write, [Right.read, Right.write]),
        (Right.manage, [Right.read, Right.write, Right.manage]),
    ):
        assert [other for other in Right if right.includes(other)] == rights


def test_rights_are_to_single_libraries_or_to_every_one() -> None:
    """The larger of the two counts."""
    some = Caller(id="", name="some", grants={"a": Right.write, EVERY: Right.read})
    one = Caller(id="", name="one", grants={"a": Right.manage, "b": Right.read})
    assert some.may("libraries/a", Right.write)
    assert some.may("libraries/b", Right.read)
    assert not some.may("libraries/b", Right.write)
    assert not one.may("libraries/c", Right.read)
    assert not one.may(EVERY, Right.read)
    assert (some.readable(), one.readable(), OPERATOR.readable()) == (None, ["a", "b"], None)


def test_a_missing_right_is_told_with_the_way_out() -> None:
    """The reason, the right and the library; nothing about whether it is there."""
    key = Caller(id="", name="phone", grants={"a": Right.read})
    authorize(key, "libraries/a", Right.read)
    with pytest.raises(ServiceError, match=r"'phone'.*write libraries/a.*operator") as raised:
        authorize(key, "libraries/a", Right.write)
    assert raised.value.reason is Reason.RIGHT_MISSING
    assert raised.value.metadata == {"right": "write", "library": "libraries/a"}


def test_a_name_that_looks_like_every_library_is_none() -> None:
    """`libraries/*` can't be asked for."""
    rule = RULES["/audiosearch.gateway.v1.LibraryService/CreateLibrary"]
    assert rule.library
    with pytest.raises(ServiceError):
        rule.library(library_pb2.CreateLibraryRequest(library_id=EVERY))


def test_a_key_is_256_random_bits_of_which_only_the_hash_is_kept() -> None:
    """The id in it finds it; the rest proves it."""
    key, token = api_key.make("phone", {"a": Right.read})
    prefix, identity, secret = token.split("_", 2)
    assert (prefix, identity) == ("audiosearch", key.id)
    assert len(secret) == 43
    assert secret not in key.model_dump_json()
    assert api_key.id_of(token) == key.id
    assert key.fits(token)
    assert not key.fits(token[:-1] + ("A" if token[-1] != "A" else "B"))
    assert api_key.make("phone", {"a": Right.read})[1] != token
    assert key.created <= datetime.now(timezone.utc)


@pytest.mark.parametrize("text", ["", "x", "audiosearch__", "audiosearch_00_x", "é" * 68])
def test_what_is_no_key_has_no_id(text: str) -> None:
    """And is never looked up."""
    assert api_key.id_of(text) is None


@pytest.mark.parametrize(
    ("name", "grants"),
    [
        ("", {"a": Right.read}),
        ("x" * 64, {"a": Right.read}),
        ("x", {}),
        ("x", {"a b": Right.read}),
        ("x", {"libraries/a": Right.read}),
        ("x", {f"a{n}": Right.read for n in range(101)}),
    ],
)
def test_a_key_needs_a_name_and_libraries(name: str, grants: dict[str, Right]) -> None:
    """Up to 100 of them, by their short names."""
    with pytest.raises(ValidationError):
        api_key.make(name, grants)
