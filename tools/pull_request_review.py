"""Review a pull request: synthesize its base and its head, and write the difference as a comment.

    python tools/pull_request_review.py

What ``action.yml`` runs, on GitHub. Everything is read from the environment: ``NEO_SETUP`` and
``NEO_SYNTH`` are the commands, ``NEO_DIRECTORY`` is the app's folder, ``NEO_TOKEN`` writes the
comment; the rest is what GitHub sets for every step. One comment is kept up to date.

The commands run the code of the pull request. So the token is kept from them, and the event
``pull_request_target``, whose token may write for a stranger's code, is refused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MARKER: Final = "<!-- neo review -->"  # what neo_constructs/review/rendering.py begins with
MAX_COMMENT: Final = 65_000  # characters; GitHub takes 65,536
_SECRETS: Final = ("NEO_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN")
_ALLOWED: Final = "allow it: permissions: pull-requests: write. The review is in the job's summary."


class ActionError(Exception):
    """What ends the step, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """What is reviewed, and where the comment goes.

    Parameters
    ----------
    repository
        ``owner/name``.
    number
        The pull request's.
    base
        The commit that it would be merged into.
    """

    repository: str
    number: int
    base: str


def main(environment: Mapping[str, str]) -> int:
    """Review, and return the exit code."""
    try:
        _review(environment)
    except ActionError as error:
        print(f"::error::{' '.join(str(error).split())}")
        return 1
    return 0


def _review(environment: Mapping[str, str]) -> None:
    request = pull_request(environment)
    temporary = Path(environment["RUNNER_TEMP"])
    workspace = Path(environment["GITHUB_WORKSPACE"])
    base = temporary / "base"
    check_out(workspace, request.base, base)
    try:
        head_out = synthesize(workspace, temporary / "head.out", environment, "the head")
        base_out = None
        if (base / environment["NEO_DIRECTORY"]).is_dir():  # else the app is new
            base_out = synthesize(base, temporary / "base.out", environment, "the base")
    finally:
        _git(workspace, "worktree", "remove", "--force", str(base))
    text = reviewed(head_out, base_out)
    report = temporary / "neo-review.md"
    report.write_text(text)
    _append(environment.get("GITHUB_OUTPUT"), f"report={report}\n")
    _append(environment.get("GITHUB_STEP_SUMMARY"), text)
    post(request, text, environment)


def pull_request(environment: Mapping[str, str]) -> PullRequest:
    """Return the pull request that a workflow runs for.

    Raises
    ------
    ActionError
        If it runs for something else, or for an event that is not safe.
    """
    if environment.get("GITHUB_EVENT_NAME") == "pull_request_target":
        raise ActionError(
            "pull_request_target gives a token that may write to code that anybody may send. "
            "Use: on: pull_request"
        )
    event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text())
    found = event.get("pull_request")
    if not found:
        raise ActionError("This reviews pull requests. Use: on: pull_request")
    return PullRequest(
        repository=environment["GITHUB_REPOSITORY"],
        number=int(found["number"]),
        base=str(found["base"]["sha"]),
    )


def check_out(workspace: Path, commit: str, folder: Path) -> None:
    """Check a commit out beside the workspace, and fetch it first if it is not there."""
    if _git(workspace, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        _git(workspace, "fetch", "--quiet", "--depth=1", "origin", commit)
    done = _git(workspace, "worktree", "add", "--quiet", "--detach", str(folder), commit)
    if done.returncode:
        raise ActionError(f"The base {commit} cannot be checked out: {done.stderr}")


def synthesize(tree: Path, out: Path, environment: Mapping[str, str], which: str) -> Path:
    """Set an app up and synthesize it, and return its assembly.

    Raises
    ------
    ActionError
        If a command fails.
    """
    folder = tree / environment["NEO_DIRECTORY"]
    if not folder.is_dir():
        raise ActionError(f"There is no folder {environment['NEO_DIRECTORY']}.")
    given = {name: value for name, value in environment.items() if name not in _SECRETS}
    commands = environment["NEO_SETUP"], environment["NEO_SYNTH"].replace("{out}", str(out))
    for command in filter(None, commands):
        print(f"::group::{which}: {command}", flush=True)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607
            cwd=folder,
            env=given,
            check=False,
        )
        print("::endgroup::", flush=True)
        if done.returncode:
            raise ActionError(f"{which}: {command} has failed with {done.returncode}.")
    return out


def reviewed(head: Path, base: Path | None) -> str:
    """Return the review as Markdown.

    Raises
    ------
    ActionError
        If an assembly cannot be read.
    """
    against = ["--against", str(base)] if base else []
    command = [sys.executable, "-m", "neo_constructs", "review", str(head), *against]
    done = subprocess.run(
        [*command, "--format", "markdown"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ActionError(done.stderr.strip() or f"neo review has failed with {done.returncode}.")
    return done.stdout


def post(request: PullRequest, text: str, environment: Mapping[str, str]) -> None:
    """Write the review into its comment: the one that there is, or a new one."""
    api = environment.get("GITHUB_API_URL", "https://api.github.com")
    place, token = f"{api}/repos/{request.repository}", environment.get("NEO_TOKEN", "")
    comments = f"{place}/issues/{request.number}/comments"
    try:
        known = _own_comment(comments, token)
        if known:
            _call(f"{place}/issues/comments/{known}", token, "PATCH", {"body": shortened(text)})
        else:
            _call(comments, token, "POST", {"body": shortened(text)})
    except urllib.error.HTTPError as error:
        if error.code not in {401, 403, 404}:
            raise ActionError(f"GitHub does not take the comment: {error}.") from error
        # A pull request from a fork has a token that may only read.
        print(f"::warning::The comment cannot be written ({error}). To {_ALLOWED}")
    except urllib.error.URLError as error:
        raise ActionError(f"GitHub cannot be reached: {error.reason}.") from error


def shortened(text: str) -> str:
    """Return a review that fits a comment, cut between two lines, with its folds closed."""
    if len(text) <= MAX_COMMENT:
        return text
    kept = text[: MAX_COMMENT - 200].rpartition("\n")[0]
    fence = "\n```" if kept.count("```") % 2 else ""
    closing = "\n\n</details>" * max(0, kept.count("<details>") - kept.count("</details>"))
    return f"{kept}{fence}{closing}\n\nThe rest is in the job's summary.\n"


def _own_comment(comments: str, token: str) -> int | None:
    page = 1
    while True:
        found = _call(f"{comments}?per_page=100&page={page}", token, "GET")
        for comment in found:
            is_bot = (comment.get("user") or {}).get("type") == "Bot"
            if is_bot and str(comment.get("body", "")).startswith(MARKER):
                return int(comment["id"])
        if len(found) < 100:
            return None
        page += 1


def _call(url: str, token: str, method: str, body: Mapping[str, str] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - GitHub's own address
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
        return json.load(reply)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )


def _append(file: str | None, text: str) -> None:
    if file:
        with Path(file).open("a") as opened:
            opened.write(text)


if __name__ == "__main__":
    sys.exit(main(os.environ))
