"""Speakers, their enrollments and calibrations."""
