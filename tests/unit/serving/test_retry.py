"""One rule on trying again, for every import, upload and evaluation."""

from __future__ import annotations

import pytest

from serving.errors import Reason, ServiceError
from serving.retry import MAX_PAUSE_SECONDS, Retry, patiently

AWAY_OR_BUSY = {
    *(Reason.INDEX_UNAVAILABLE, Reason.CATALOG_UNAVAILABLE, Reason.EMBEDDING_UNAVAILABLE),
    *(Reason.GATEWAY_UNAVAILABLE, Reason.ENCODER_BUSY, Reason.CATALOG_BUSY),
    *(Reason.INDEX_BUSY, Reason.GATEWAY_BUSY, Reason.OBJECT_STORE_UNAVAILABLE),
}


@pytest.mark.parametrize("reason", Reason)
def test_services_that_are_away_or_busy_are_asked_again(reason: Reason) -> None:
    """Any other failure is final at its first try."""
    failure = ServiceError(reason, "no")
    if reason in AWAY_OR_BUSY:
        assert Retry().pause(failure) > 0
    else:
        with pytest.raises(ServiceError) as raised:
            Retry().pause(failure)
        assert raised.value is failure


def test_pauses_grow_up_to_a_limit() -> None:
    """They are never shorter than the one before."""
    retry, failure = Retry(), ServiceError(Reason.INDEX_BUSY, "no")
    pauses = [retry.pause(failure) for _ in range(6)]
    assert pauses[0] < pauses[1] < pauses[2]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE_SECONDS


def test_time_is_limited() -> None:
    """The failure is raised once the time since the start is up, even after a first try."""
    retry, failure = Retry(seconds=-1.0), ServiceError(Reason.INDEX_UNAVAILABLE, "no")
    with pytest.raises(ServiceError):
        retry.pause(failure)


def test_one_reason_may_have_less_time() -> None:
    """Others have theirs all the same; each that is waited for is told once."""
    retry = Retry(shorter={Reason.GATEWAY_UNAVAILABLE: -1.0})
    away, busy = (
        ServiceError(reason, "no") for reason in (Reason.GATEWAY_UNAVAILABLE, Reason.INDEX_BUSY)
    )
    failures = iter([busy, away])
    told: list[ServiceError] = []

    def work() -> None:
        raise next(failures)

    with pytest.raises(ServiceError) as raised:
        patiently(work, retry, told=told.append)
    assert raised.value is away
    assert told == [busy]


def test_a_reason_may_be_temporary_for_one_kind_of_work() -> None:
    """It is waited for so many times and then final; what is temporary in general still passes."""
    retry = Retry({Reason.STATE_CONFLICT}, tries=2)
    conflict = ServiceError(Reason.STATE_CONFLICT, "the bytes are on their way out")
    retry.pause(conflict)
    retry.pause(conflict)
    with pytest.raises(ServiceError):
        retry.pause(conflict)
    retry.pause(ServiceError(Reason.INDEX_BUSY, "no"))
