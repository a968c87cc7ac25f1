"""Ask the real containers everything, and compare or keep what they answer.

    python -m tests.containers.record ENVIRONMENTS [--write] [GROUP ...]

``make containers`` makes the environments. Exits with 1 if an answer is not the one recorded.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.containers import real
from tests.containers.cases import GROUPS, Case

RECORDED: Final = Path(__file__).with_name("recorded.json")
Answers = dict[str, Any]
# The containers' own settings: etc/default-mms.properties, etc/default-ts.properties.
_TOOLKIT: Final = "decode_input_request=false\nenable_envvars_config=true"
_TORCHSERVE: Final = f"{_TOOLKIT}\ndisable_token_authorization=true\nenable_model_api=true"
_TORCH: Final = "sagemaker_pytorch_serving_container.handler_service:handle"
# Group to environment, server, service, settings, and whether DLR's checkout is needed.
_SERVERS: Final = {
    "dlr": ("mms", "mms", "neo_template_mxnet_byom:handle", "", True),
    "toolkit": ("torch", "ts", _TORCH, _TORCHSERVE, False),
    "torch": ("torch", "ts", _TORCH, _TORCHSERVE, False),
    "xgboost": ("xgboost", "mms", "neo_template_xgboost:handle", "", True),
    "mxnet": (
        "mxnet", "mms", "sagemaker_mxnet_serving_container.handler_service:handle", _TOOLKIT, False
    ),
}  # fmt: skip


def recorded() -> dict[str, Answers]:
    """Return what the real containers answered: group, case, answers in their order."""
    return dict(json.loads(RECORDED.read_text()))


def ask_all(group: str, environments: Path, base: Path) -> Answers | None:
    """Return a group's answers; None if what is needed is not here."""
    cases = GROUPS[group]
    if group.startswith("tensorflow"):
        checkout = os.environ.get("NEO_CHECKOUT_TENSORFLOW")
        if not checkout:
            return None
        python = environments / "tensorflow" / "bin" / "python"
        return dict(_tensorflow(group, cases, python, Path(checkout), base))
    name, kind, service, settings, needs_dlr = _SERVERS[group]
    paths = []
    if needs_dlr:
        checkout = os.environ.get("NEO_CHECKOUT_DLR")
        if not checkout:
            return None
        paths = [Path(checkout) / "container", real.STAND_INS]
    python = environments / name / "bin" / "python"
    server = real.ModelServer(
        base, python, kind=kind, handler=service, settings=settings, paths=paths
    )
    with server.running():
        return {case.name: _loaded(server, group, case) for case in cases}


def _loaded(server: real.ModelServer, group: str, case: Case) -> Any:
    try:
        return server.answers(group, case)
    except real.NotLoaded:
        return "not loaded"


def _tensorflow(
    group: str, cases: tuple[Case, ...], python: Path, checkout: Path, base: Path
) -> Iterator[tuple[str, Any]]:
    for number, case in enumerate(cases):
        folder = base / str(number)
        if group == "tensorflow-none":
            yield case.name, real.served_by_javascript(folder, checkout, case)
            continue
        try:
            yield case.name, real.python_service(folder, python, checkout, case)
        except real.NotLoaded:
            yield case.name, "not loaded"


def main(environments: Path, groups: list[str], *, writes: bool) -> int:
    """Ask the groups, and return 1 if an answer is not the one recorded."""
    kept = recorded() if RECORDED.exists() else {}
    different = 0
    for group in groups or GROUPS:
        with tempfile.TemporaryDirectory(prefix=f"neo-{group}-") as base:
            found = ask_all(group, environments, Path(base) / "run")
        if found is None:
            print(f"{group}: left out, there is no checkout of its source")
            continue
        known = kept.get(group, {})
        others = [name for name, answers in found.items() if known.get(name) != answers]
        print(f"{group}: {len(found)} scripts, {len(others)} with other answers than recorded")
        for name in others:
            print(f"  {name}")
        different += len(others)
        kept[group] = found
    if writes:
        RECORDED.write_text(json.dumps(kept, indent=1, ensure_ascii=True) + "\n")
    return int(bool(different and not writes))


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if argument != "--write"]
    sys.exit(main(Path(given[0]).absolute(), given[1:], writes="--write" in sys.argv))
