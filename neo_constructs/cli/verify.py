"""``neo verify``: check in an account what this library takes for granted of AWS."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from neo_constructs.cli.console import (
    exit_unusable,
    raise_keyboard_interrupt_on_signal,
    require_extra,
    say,
)
from neo_constructs.cli.examples import examples
from neo_constructs.cli.progress import Progress

if TYPE_CHECKING:
    from neo_constructs.verification.kit import Kit
    from neo_constructs.verification.probe import Probe
    from neo_constructs.verification.removal import Leftover
    from neo_constructs.verification.run import Result

MINUTES: Final = 120.0
DIFFERS: Final = 1
INTERRUPTED: Final = 130
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_EMULATED_PACE: Final = 0.05
_INTERRUPTED: Final = "Interrupted."


@click.command(
    epilog=examples(
        "neo verify --list",
        "neo verify --only A-CFN-05 --only A-S3-01",
        "neo verify --yes > verification.txt",
    )
)
@click.option("--list", "is_list", is_flag=True, help="Print the assumptions, and end.")
@click.option("--policy", "is_policy", is_flag=True, help="Print the caller's policy, and end.")
@click.option("--only", multiple=True, metavar="ID", help="Ask about this one. Default: all.")
@click.option("--yes", is_flag=True, help="Do not ask before anything is made.")
@click.option("--keep", is_flag=True, help="Remove nothing at the end.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted or kept.")
@click.option("--remove", "is_remove", is_flag=True, help="Remove what such a run has left, only.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=1),
    default=MINUTES,
    show_default=True,
    help="What has not answered then is unknown.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("verification"),
    show_default=True,
    help="Takes the results, and the ledger of what was made.",
)
def verify(
    *,
    is_list: bool,
    is_policy: bool,
    only: tuple[str, ...],
    yes: bool,
    keep: bool,
    resume: bool,
    is_remove: bool,
    minutes: float,
    folder: Path,
) -> None:
    """Check in your account what this library takes for granted of AWS.

    With the credentials and the region of the environment: says what it will do, how long that
    takes and about what it costs, asks, deploys small stacks of its own, runs probes, prints their
    answers, writes <region>-<date>.json and .md, and removes all that it has made, also when it is
    interrupted. Each assumption of docs/assumptions.md has held, differs, or is unknown.

    In the sandbox (neo sandbox run -- neo verify) nothing is verified, and no result is written.

    Exits 0, 1 if an assumption differs or something could not be removed, 2 if it cannot be begun
    or breaks off, or 130 if it was interrupted.
    """
    require_extra("verify", "boto3")
    from neo_constructs.verification.probes import PROBES

    chosen = _chosen(PROBES, only)
    if is_list:
        _print_list(chosen, is_all=not only)
        return
    kit = _kit(folder, is_resumed=resume or is_remove)
    if is_policy:
        from neo_constructs.verification.policy import policy

        say(json.dumps(policy(kit.account, kit.region), indent=1))
        return
    _claim(kit, is_resumed=resume or is_remove)
    if is_remove:
        sys.exit(DIFFERS if _remove(kit, is_whole=True) else 0)
    todo = _todo(kit, chosen)
    stacks = _stacks(todo)
    _say_plan(kit, todo, stacks, minutes)
    if shutil.which("npx") is None and stacks:
        exit_unusable("There is no npx on the PATH, and the CDK CLI needs it: install node.")
    if not yes and not click.confirm("Go on?", default=False):
        exit_unusable("Nothing was made.")
    raise_keyboard_interrupt_on_signal()
    ended = _probe(kit, todo, stacks, minutes, folder)
    left = [] if keep else _remove(kit, is_whole=not ended)
    results = _results(kit, chosen)
    _finish(kit, results, left, folder, is_kept=keep)
    if ended:
        _show(f"{ended} What is not answered is asked by: neo verify --resume")
        sys.exit(INTERRUPTED if ended == _INTERRUPTED else 2)
    if left or any(result.answer.verdict.value == "differs" for result in results):
        sys.exit(DIFFERS)


def _chosen(probes: Sequence[Probe], only: tuple[str, ...]) -> list[Probe]:
    known = {probe.id: probe for probe in probes}
    only = tuple(dict.fromkeys(name.upper() for name in only))
    wrong = [name for name in only if name not in known]
    if wrong:
        from neo_constructs.verification.no_probe import NO_PROBE

        without = [
            f"{name}: {NO_PROBE[name.upper()]}" for name in wrong if name.upper() in NO_PROBE
        ]
        allowed = ", ".join(known)
        exit_unusable(
            f"--only: there is no probe for {', '.join(wrong)}. "
            + (" ".join(without) if without else f"Allowed: {allowed}.")
        )
    return [known[name] for name in only] or list(probes)


def _print_list(chosen: Sequence[Probe], *, is_all: bool) -> None:
    from neo_constructs.verification.no_probe import NO_PROBE

    for probe in chosen:
        costs = f", ${probe.dollars:.2f}" if probe.dollars else ""
        say(f"{probe.id:10} {probe.minutes:3.0f} min{costs}: {probe.does}")
    if is_all:
        for name, why in NO_PROBE.items():
            say(f"{name:10} no probe: {why}")


def _kit(folder: Path, *, is_resumed: bool) -> Kit:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from neo_constructs.verification.kit import Kit
    from neo_constructs.verification.ledger import Ledger

    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    is_emulated = endpoint.hostname in _LOOPBACK
    try:
        # boto3 itself reads AWS_DEFAULT_REGION only.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        if not session.region_name:
            exit_unusable("No region is given: set AWS_REGION.")
        file = folder / f"{session.region_name}.ledger.json"
        account = str(session.client("sts").get_caller_identity()["Account"])
        ledger = Ledger(file, uuid.uuid4().hex[:12], account)
        if is_resumed and file.exists():
            ledger = Ledger.read(file)
        if ledger.account != account:
            exit_unusable(f"{file} is of another account: take its credentials, or --folder.")
        kit = Kit(session, ledger, is_emulated, pace=_EMULATED_PACE if is_emulated else 1.0)
    except (BotoCoreError, ClientError) as error:
        exit_unusable(f"AWS cannot be asked who is calling: {error}")
    except (OSError, ValueError) as error:
        exit_unusable(f"The ledger of the run before cannot be read: {error}")
    return kit


def _claim(kit: Kit, *, is_resumed: bool) -> None:
    """Take over what the former run has left, or see that there is nothing."""
    from botocore.exceptions import BotoCoreError, ClientError

    from neo_constructs.verification.run import NotOursError, left_stacks

    try:
        stacks = left_stacks(kit)
    except NotOursError as error:
        exit_unusable(str(error))
    except (BotoCoreError, ClientError) as error:
        exit_unusable(f"The stacks cannot be looked at: {error} See: neo verify --policy")
    if stacks and not is_resumed:
        names = ", ".join(stacks)
        exit_unusable(
            f"A former run has left {names}. Go on with it by neo verify --resume, or remove them "
            "by neo verify --remove"
        )
    for name, owner in stacks.items():
        kit.ledger.run_id = owner
        kit.ledger.note("stack", name)
    if not is_resumed and kit.ledger.file.exists():
        exit_unusable(
            f"{kit.ledger.file} names what a former run has made. Go on with it: "
            "neo verify --resume"
        )


def _stacks(chosen: Sequence[Probe]) -> list[str]:
    from neo_constructs.verification.stack_names import DEPLOYED

    needed = {name for probe in chosen for name in (*probe.stacks, *probe.also)}
    return [name for name in DEPLOYED if name in needed]


def _say_plan(kit: Kit, chosen: Sequence[Probe], stacks: Sequence[str], minutes: float) -> None:
    from neo_constructs.verification.costs import estimate

    found = estimate(chosen, stacks)
    where = f"the sandbox ({kit.region})" if kit.is_emulated else f"{kit.account}, {kit.region}"
    say(f"In {where}: {len(chosen)} probes, the stacks {', '.join(stacks) or 'none'}.")
    say(f"About {min(found.minutes, minutes):.0f} minutes and ${found.dollars:.2f}:")
    say(f"  {found.arithmetic}.")
    say("All of it is under names of its own, and is removed at the end.")
    if not kit.is_emulated and _is_temporary(kit):
        say(
            "The credentials are temporary and are not renewed: they have to last as long, or "
            "what was made stays until neo verify --remove."
        )


def _is_temporary(kit: Kit) -> bool:
    """Whether the credentials end, and nothing here can renew them."""
    found = kit.session.get_credentials()
    return bool(found and found.token and not hasattr(found, "refresh_needed"))


def _todo(kit: Kit, chosen: Sequence[Probe]) -> list[Probe]:
    """Return the probes that a former part of the run has not answered."""
    from neo_constructs.verification.run import former_results

    answered = {result.probe.id for result in former_results(kit, chosen)}
    return [probe for probe in chosen if probe.id not in answered]


def _results(kit: Kit, chosen: Sequence[Probe]) -> list[Result]:
    from neo_constructs.verification.run import former_results

    return former_results(kit, chosen, with_unknown=True)


def _probe(
    kit: Kit, todo: Sequence[Probe], stacks: Sequence[str], minutes: float, folder: Path
) -> str:
    """Deploy and ask; return why it ended early, or nothing."""
    from neo_constructs.verification import report
    from neo_constructs.verification.run import deploy, probe_all

    try:
        with Progress(sys.stderr) as progress:
            progress.step(f"deploying {', '.join(stacks)}")
            kit.until = time.monotonic() + minutes * 60
            missing = deploy(kit, stacks, folder / "cdk.log") if stacks else {}
            left = minutes - progress.seconds / 60
            progress.step(f"{len(todo)} probes")
            probe_all(
                kit,
                todo,
                missing,
                minutes=left,
                told=lambda each: _show(report.row(each, kit.account)),
            )
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # whatever it is, what was made is removed
        return f"The run broke off: {error!r}"
    return ""


def _remove(kit: Kit, *, is_whole: bool) -> list[Leftover]:
    """Remove what was made; where all is answered, the ledger goes, too."""
    from neo_constructs.verification.removal import remove_all

    try:
        with Progress(sys.stderr) as progress:
            left = remove_all(kit, lambda what: progress.step(f"removing {what}"))
    except KeyboardInterrupt:
        _show(f"{kit.ledger.file} names what is left. Remove it by: neo verify --remove")
        sys.exit(INTERRUPTED)
    for one in left:
        _show(f"Left: {one.made.kind} {one.made.name}: {one.why} Remove it by: {one.command}")
    if is_whole and not left:
        kit.ledger.remove()
    return left


def _show(text: str) -> None:
    """Print a line; where nobody reads it any more, the run goes on, and removes what it made."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(text)


def _finish(
    kit: Kit, results: list[Result], left: list[Leftover], folder: Path, *, is_kept: bool
) -> None:
    from neo_constructs.verification.report import Report, counts, recordings

    said = Report(
        region=kit.region,
        account=kit.account,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        version=importlib.metadata.version("neo-constructs"),
        is_emulated=kit.is_emulated,
        results=results,
        leftovers=left,
    )
    _show(", ".join(f"{count} {verdict}" for verdict, count in counts(results)))
    if is_kept:
        _show(f"Kept; {kit.ledger.file} names all of it. Remove it by: neo verify --remove")
    if kit.is_emulated:
        _show("Emulated: this verifies nothing, and no result is written.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    name = _free_name(folder, f"{said.region}-{said.date}")
    texts: dict[str, Any] = {
        f"{name}.json": said.as_json(),
        f"{name}.md": said.as_markdown(),
        f"{name}.recorded.json": json.dumps(recordings(results, kit.account), indent=1) + "\n",
    }
    for file, text in texts.items():
        (folder / file).write_text(text)
        _show(f"Written: {folder / file}")


def _free_name(folder: Path, name: str) -> str:
    """Return a name that no earlier report has."""
    names = (name, *(f"{name}-{number}" for number in range(2, 1_000)))
    return next(each for each in names if not (folder / f"{each}.json").exists())
