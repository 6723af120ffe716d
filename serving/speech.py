"""The one rule for short speech, and for recordings of a speaker that do not agree."""

from __future__ import annotations

LEAST_SECONDS = 0.2
"""Seconds of speech below which a recording is not enrolled."""

JUDGED_SECONDS = 1.5
"""Seconds of speech below which a recording tells little of a voice.

It is enrolled, and nobody is told whether it agrees. It is compared, and the answer says so.
"""

ENOUGH_SECONDS = 20.0
"""Seconds of speech of a speaker that are enough: more changes little."""

AGREES = 0.4
"""Cosine of a recording to the mean of the speaker's others, below which they do not agree."""

SHORT_NOTE = (
    f"the recording has less than {JUDGED_SECONDS} s of speech, which tells little of a voice: "
    "decide on a longer one"
)
