"""What code of a user's model gets of this machine's environment: next to nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "TMPDIR")
_NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: nobody listens


def closed_environment(parent: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return an environment with no secret of the user's, and no way to a real AWS.

    The home is an empty folder, so no configuration is found there; there are no credentials and
    no instance metadata; clients that honour proxy variables are sent to one that is not there.
    It is no jail: a process may open a socket itself, and read files by their paths.

    Parameters
    ----------
    parent
        The environment to start from: what a process needs to run is kept.
    folder
        Where to make the home.
    """
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("aws-config", "aws-credentials"):
        (home / name).touch()
    kept = {name: parent[name] for name in _KEPT if name in parent}
    return {
        "PATH": os.defpath,
        **kept,
        "HOME": str(home),
        "AWS_CONFIG_FILE": str(home / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), _NOWHERE),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1"),
        "PYTHONUNBUFFERED": "1",
    }
