"""Amazon S3, with one object: the archive of the script."""

from __future__ import annotations

import os
import shutil


class resource:
    """One bucket's one object."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take any service."""

    def Bucket(self, _: str) -> resource:
        """Return the bucket."""
        return self

    def download_file(self, _: str, place: str) -> None:
        """Copy the object."""
        shutil.copyfile(os.environ["NEO_SCRIPT_ARCHIVE"], place)
