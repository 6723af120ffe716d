"""The file of keys: written whole, read again when it changes, and closed when it is damaged."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.access import api_key, key_file, keyring
from gateway.access.keyring import Keyring, bearer
from gateway.access.rights import OPERATOR, Right
from serving.errors import Reason, ServiceError


def add(path: Path, name: str = "phone") -> tuple[str, str]:
    """A new key in the file: its id and its token."""
    key, token = api_key.make(name, {"a": Right.read})
    key_file.change(path, lambda keys: keys.update({key.id: key}))
    return key.id, token


def add_many(path: Path, count: int) -> None:
    """The work of each process of a test."""
    for _ in range(count):
        add(path)


@asynccontextmanager
async def following(path: Path) -> AsyncIterator[Keyring]:
    """A keyring that follows its file."""
    ring = Keyring(path)
    task = asyncio.create_task(ring.follow())
    yield ring
    task.cancel()


async def becomes(ring: Keyring, token: str, reason: Reason | None) -> None:
    """Waits until a token is taken, or refused for a reason."""
    for _ in range(1200):
        try:
            ring.authenticate(token)
        except ServiceError as error:
            found: Reason | None = error.reason
        else:
            found = None
        if found is reason:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"it stays {found}")


def test_without_a_file_everybody_is_the_operator() -> None:
    """As on loopback."""
    assert Keyring(None).authenticate(None) is OPERATOR
    assert Keyring(None).authenticate("x") is OPERATOR


def test_a_key_tells_who_calls(tmp_path: Path) -> None:
    """No key and a wrong key are told apart, and why a key is wrong is not told."""
    identity, token = add(tmp_path / "keys")
    ring = Keyring(tmp_path / "keys")
    assert ring.authenticate(token).id == identity
    other = api_key.make("phone", {"a": Right.read})[1]
    forged = f"audiosearch_{identity}_{other.split('_', 2)[2]}"
    refusals = set()
    for wrong, reason in (
        (None, Reason.KEY_MISSING),
        ("", Reason.KEY_MISSING),
        ("x", Reason.KEY_INVALID),
        (other, Reason.KEY_INVALID),
        (forged, Reason.KEY_INVALID),
        (token + "A", Reason.KEY_INVALID),
    ):
        with pytest.raises(ServiceError) as raised:
            ring.authenticate(wrong)
        assert raised.value.reason is reason
        refusals.add(raised.value.message)
    assert len(refusals) == 2


def test_the_file_is_its_owners_and_holds_no_key(tmp_path: Path) -> None:
    """Mode 0600, whatever the mask; nothing else is left in the folder."""
    path = tmp_path / "made" / "keys"
    mask = os.umask(0)
    try:
        _, token = add(path)
        _, second = add(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert not any(secret.split("_", 2)[2] in text for secret in (token, second))
    assert list(path.parent.iterdir()) == [path]


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    """From several processes."""
    context = multiprocessing.get_context("spawn")
    work = [context.Process(target=add_many, args=(tmp_path / "keys", 20)) for _ in range(3)]
    for process in work:
        process.start()
    for process in work:
        process.join()
    assert len(key_file.read(tmp_path / "keys")) == 60


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The file stays as it was."""
    path = tmp_path / "keys"
    add(path)
    before = path.read_bytes()

    def fail(keys: dict[str, api_key.ApiKey]) -> None:
        keys.clear()
        raise KeyError("x")

    with pytest.raises(KeyError):
        key_file.change(path, fail)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no json", "line 2"),
        ("{}", "line 2"),
        ('{"id": "x"}', "id"),
        ("x" * (key_file.MAX_BYTES + 1), "larger than"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, line: str, words: str) -> None:
    """With the line and the field."""
    path = tmp_path / "keys"
    add(path)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(key_file.KeyFileError, match=words) as raised:
        key_file.read(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A gateway that was told to check keys never goes without."""
    with pytest.raises(key_file.KeyFileError, match="No such file"):
        Keyring(tmp_path / "keys")


async def test_keys_come_and_go_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a look at the file."""
    monkeypatch.setattr(keyring, "LOOK_SECONDS", 0.05)
    path = tmp_path / "keys"
    identity, token = add(path)
    async with following(path) as ring:
        _, second = add(path)
        await becomes(ring, second, None)

        def revoke(keys: dict[str, api_key.ApiKey]) -> None:
            del keys[identity]

        key_file.change(path, revoke)
        await becomes(ring, token, Reason.KEY_INVALID)
        ring.authenticate(second)


@pytest.mark.parametrize("damage", ["missing", "torn"])
async def test_while_the_file_is_damaged_nobody_gets_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Nobody knows which keys were revoked; health tells, and it ends by itself."""
    monkeypatch.setattr(keyring, "LOOK_SECONDS", 0.05)
    path = tmp_path / "keys"
    _, token = add(path)
    whole = path.read_bytes()
    async with following(path) as ring:
        ring.check()
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(whole[:-9])
        await becomes(ring, token, Reason.GATEWAY_UNAVAILABLE)
        with pytest.raises(ServiceError, match="log"):
            ring.check()
        path.write_bytes(whole)
        await becomes(ring, token, None)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
        (b"Bearer abc", None),
        (None, None),
    ],
)
def test_the_header_is_read_as_http_has_it(header: str | bytes | None, token: str | None) -> None:
    """Scheme in any case; others are no key."""
    assert bearer(header) == token
