"""The parts that work on speakers, wired together."""

from __future__ import annotations

from gateway.clips.life import Clips
from gateway.clips.mirror import Mirror
from gateway.libraries.libraries import Libraries
from gateway.settings import GatewaySettings
from gateway.speakers.calibrating import Calibrating
from gateway.speakers.cohorts import Cohorts
from gateway.speakers.enrolling import Enrolling
from gateway.speakers.judging import Judging
from gateway.speakers.recognizing import Recognizing
from gateway.speakers.removing import Removing
from gateway.speakers.upkeep import Upkeep
from gateway.speakers.voiceprints import Voiceprints
from gateway.upstream import Upstream


class Speakers:
    """The parts, each with one task."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        mirror: Mirror,
        settings: GatewaySettings,
    ) -> None:
        """Works on the services of `upstream`."""
        voiceprints = Voiceprints(upstream, libraries)
        judging = Judging(upstream, Cohorts(voiceprints), settings.speaker_threshold)
        self.removing = Removing(upstream, libraries, clips, voiceprints, mirror)
        self.enrolling = Enrolling(upstream, libraries, clips, voiceprints, self.removing, mirror)
        self.recognizing = Recognizing(upstream, libraries, voiceprints, judging)
        self.calibrating = Calibrating(upstream, libraries, voiceprints)
        self.upkeep = Upkeep(upstream, voiceprints, self.removing, settings)
