"""Whose voice it is: enrollment, voiceprints, verification, identification, calibration."""
