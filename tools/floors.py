"""Print the lowest version of every declared range, as constraints for pip.

    python tools/floors.py > floors.txt

Of what users install: the dependencies, and the extras but ``dev``.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent
_FLOOR = re.compile(r"([A-Za-z0-9._-]+)>=([0-9][0-9.]*)")


def floors(pyproject: str) -> list[str]:
    """Return a constraint for each range."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    declared = [
        *project["dependencies"],
        *(each for name, group in extras.items() if name != "dev" for each in group),
    ]
    found = [match for each in declared if (match := _FLOOR.match(each))]
    return [f"{match[1]}=={match[2]}" for match in found]


if __name__ == "__main__":
    print("\n".join(floors((PROJECT / "pyproject.toml").read_text())))
