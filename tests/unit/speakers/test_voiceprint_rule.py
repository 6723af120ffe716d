"""The parts of a voiceprint, and the time from which it counts."""

from __future__ import annotations

import numpy as np
import pytest
from audiosearch.catalog.v1.speaker_pb2 import Speaker

from gateway.speakers.vector_ids import current_id, is_enrolled, parse_vector_id, vector_id
from gateway.speakers.voiceprints import cosine
from scoring.mean_voice import lowest_agreement, mean_voice


def test_a_voiceprint_is_the_mean_of_unit_length() -> None:
    """Each enrollment counts the same."""
    one, other = np.array([1, 0, 0], np.float32), np.array([0, 1, 0], np.float32)
    assert mean_voice(np.stack([one, other])) == pytest.approx([0.5**0.5, 0.5**0.5, 0])
    assert mean_voice(np.stack([one, one, other])) == pytest.approx([2 / 5**0.5, 1 / 5**0.5, 0])
    assert mean_voice(np.stack([one])) == pytest.approx(one)
    assert mean_voice(np.stack([one, -one])) == pytest.approx(np.zeros(3))


def test_the_lowest_agreement_is_that_of_the_stranger() -> None:
    """Each is held against the mean of all others; those that are not judged still count there."""
    one, other = np.array([1, 0, 0], np.float32), np.array([0, 1, 0], np.float32)
    alike, mixed = np.stack([one, one, one]), np.stack([one, one, other])
    every = np.ones(3, bool)
    assert lowest_agreement(alike, every) == pytest.approx(1)
    assert lowest_agreement(mixed, every) == pytest.approx(0)
    assert lowest_agreement(mixed, np.array([True, True, False])) == pytest.approx(0.5**0.5)
    assert lowest_agreement(mixed, np.array([True, False, False])) is None
    assert lowest_agreement(np.stack([one, -one, one]), every) == pytest.approx(-1)
    assert lowest_agreement(np.stack([one, one, -one, -one]), np.ones(4, bool)) == -1


def test_a_cosine_stays_in_its_range() -> None:
    """Rounding of 32-bit values must not leave it."""
    vector = np.full(192, 192**-0.5, np.float32)
    assert cosine(vector, vector) <= 1
    assert cosine(vector, -vector) >= -1


def test_only_the_voiceprint_of_the_revision_counts() -> None:
    """Neither one that is late nor one that is left over."""
    uid = "01m83cx7frm2y4r8wxeb5skm00"
    speaker = Speaker(uid=uid, state=Speaker.STATE_UPDATING, revision=4, voiceprint_revision=3)
    assert current_id(speaker) == vector_id(uid, 3)
    assert parse_vector_id(current_id(speaker)) == (uid, 3)


def test_nobody_is_taken_for_a_speaker_that_goes() -> None:
    """From the first moment of the deletion on, and not without enrollments."""
    going = Speaker(uid="u", state=Speaker.STATE_DELETING, revision=1, voiceprint_revision=1)
    assert not is_enrolled(going)
    assert not current_id(Speaker(uid="u", state=Speaker.STATE_ACTIVE, revision=2))
