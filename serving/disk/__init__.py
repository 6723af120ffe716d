"""Room on disks."""
