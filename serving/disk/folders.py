"""The opening of files and folders below those that may be read, whatever is swapped meanwhile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from serving.errors import Reason, ServiceError

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def open_below(real: Path, roots: Sequence[Path], flags: int) -> int:
    """Opens a path below one of `roots` for reading, and gives its descriptor.

    Each folder on the way is opened within the one before, and none may be a link. So a folder
    that was swapped for a link, after the links of the path were resolved, is not followed.

    Args:
        real: path with its links resolved.
        roots: real paths of the folders that may be read.
        flags: of the last step, beside those against links.

    Raises:
        ServiceError: PATH_NOT_ALLOWED outside the roots.
        OSError: as `os.open`; also if a part of the path has become a link.
    """
    root = next((root for root in roots if real.is_relative_to(root)), None)
    if root is None:
        raise ServiceError(Reason.PATH_NOT_ALLOWED, "a link that leads outside the allowed folders")
    *folders, last = (str(root), *real.relative_to(root).parts)
    here: int | None = None
    try:
        for folder in folders:
            # The root itself may be reached by links, which its operator made.
            kept = _NO_LINK if here is not None else 0
            below = os.open(folder, _FOLDER | kept, dir_fd=here)
            here = _instead(here, below)
        return os.open(last, os.O_RDONLY | flags | _NO_LINK, dir_fd=here)
    finally:
        _instead(here, None)


def _instead(here: int | None, below: int | None) -> int | None:
    if here is not None:
        os.close(here)
    return below
