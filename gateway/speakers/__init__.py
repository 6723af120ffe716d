"""Speakers: enrollment, voiceprints, verification, identification and calibration."""
