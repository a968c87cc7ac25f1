"""Review a pull request: synthesize its base and its head, and write the difference as a comment.

    python -I tools/pull_request_review.py synthesize
    python -I tools/pull_request_review.py post

What ``action.yml`` runs, on GitHub. Everything is read from the environment: for ``synthesize``
``NEO_SETUP`` and ``NEO_SYNTH`` are the commands and ``NEO_DIRECTORY`` is the app's folder; for
``post`` ``NEO_HEAD`` and ``NEO_BASE`` are cloud assemblies, ``NEO_NAME`` tells several comments
apart and ``NEO_TOKEN`` writes one; the rest is what GitHub sets for every step. One comment is kept
up to date.

The commands run the code of the pull request, in a step that has no token. The event
``pull_request_target``, whose token may write for a stranger's code, is refused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_COMMENT: Final = 65_000  # characters; GitHub takes 65,536
_OF_RUNNER: Final = "ACTIONS_"  # tokens of the runner's own, among others
_SECRETS: Final = ("NEO_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")
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


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Do what the first argument says, and return the exit code."""
    try:
        {"synthesize": synthesize_both, "post": review_and_post}[arguments[0]](environment)
    except KeyError as error:
        print(f"::error::{error} is not set; this runs in a step of GitHub Actions.")
        return 1
    except (ActionError, OSError) as error:
        print(f"::error::{' '.join(str(error).split())}")
        return 1
    return 0


def synthesize_both(environment: Mapping[str, str]) -> None:
    """Synthesize the head and the base, and say where to."""
    request = pull_request(environment)
    temporary = Path(environment["RUNNER_TEMP"])
    workspace = Path(environment["GITHUB_WORKSPACE"])
    directory = relative(environment["NEO_DIRECTORY"])
    if not (workspace / directory).is_dir():
        raise ActionError(f"There is no folder {directory}.")
    head, base = temporary / "head.out", temporary / "base"
    synthesize(workspace / directory, head, environment, "the head")
    _append(environment.get("GITHUB_OUTPUT"), f"head={head}\n")
    try:
        check_out(workspace, request.base, base)
        if (base / directory).is_dir():  # else the app is new
            synthesize(base / directory, temporary / "base.out", environment, "the base")
            _append(environment.get("GITHUB_OUTPUT"), f"base={temporary / 'base.out'}\n")
    except ActionError as error:
        # What is merged already need not stand in the way.
        print(f"::warning::{error} The head is reviewed alone.")
    finally:
        _git(workspace, "worktree", "remove", "--force", str(base))


def relative(directory: str) -> Path:
    """Return a folder below the repository's.

    Raises
    ------
    ActionError
        If it is another one: the base would be looked for in the head.
    """
    path = Path(directory)
    if path.is_absolute() or ".." in path.parts:
        raise ActionError(f"working-directory is {directory!r}. Give a path below the repository.")
    return path


def review_and_post(environment: Mapping[str, str]) -> None:
    """Review two assemblies, and write the review into the summary and a comment."""
    request = pull_request(environment)
    temporary = Path(environment["RUNNER_TEMP"])
    head, base = Path(environment["NEO_HEAD"]), environment.get("NEO_BASE")
    marker = f"<!-- neo review {environment.get('NEO_NAME', '')} -->"
    text = f"{marker}\n{reviewed(head, Path(base) if base else None, temporary)}"
    report = temporary / "neo-review.md"
    report.write_text(text)
    _append(environment.get("GITHUB_OUTPUT"), f"report={report}\n")
    _append(environment.get("GITHUB_STEP_SUMMARY"), text)
    post(request, marker, text, environment)


# Rests on A-REV-06.
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
        fetched = _git(workspace, "fetch", "--quiet", "--depth=1", "origin", commit)
        if fetched.returncode:
            raise ActionError(f"The base {commit} cannot be fetched: {fetched.stderr}")
    done = _git(workspace, "worktree", "add", "--quiet", "--detach", str(folder), commit)
    if done.returncode:
        raise ActionError(f"The base {commit} cannot be checked out: {done.stderr}")


def synthesize(folder: Path, out: Path, environment: Mapping[str, str], which: str) -> None:
    """Set an app up and synthesize it.

    Raises
    ------
    ActionError
        If a command fails.
    """
    given = {
        name: value
        for name, value in environment.items()
        if name not in _SECRETS and not name.startswith(_OF_RUNNER)
    }
    commands = environment["NEO_SETUP"], environment["NEO_SYNTH"].replace("{out}", str(out))
    for command in filter(None, commands):
        print(f"::group::{which}: {command}", flush=True)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607 - the runner's own
            cwd=folder,
            env=given,
            check=False,
        )
        print("::endgroup::", flush=True)
        if done.returncode:
            raise ActionError(f"{which}: {command} has failed with {done.returncode}.")


def reviewed(head: Path, base: Path | None, folder: Path) -> str:
    """Return the review as Markdown.

    Raises
    ------
    ActionError
        If an assembly cannot be read.
    """
    against = ["--against", str(base)] if base else []
    # Isolated, and elsewhere: a module of the pull request is none of ours.
    command = [
        sys.executable,
        "-I",
        "-X",
        "utf8",
        "-m",
        "neo_constructs",
        "review",
        str(head),
        *against,
    ]
    done = subprocess.run(
        [*command, "--format", "markdown"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": os.defpath},
        check=False,
    )
    if done.returncode:
        raise ActionError(done.stderr.strip() or f"neo review has failed with {done.returncode}.")
    return done.stdout


# Rests on A-REV-06.
def post(request: PullRequest, marker: str, text: str, environment: Mapping[str, str]) -> None:
    """Write the review into its comment: the one that there is, or a new one."""
    api = environment.get("GITHUB_API_URL", "https://api.github.com")
    place, token = f"{api}/repos/{request.repository}", environment.get("NEO_TOKEN", "")
    comments = f"{place}/issues/{request.number}/comments"
    try:
        known = _own_comment(comments, marker, token, _login(api, token))
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


def _login(api: str, token: str) -> str:
    """Return whose token it is; empty for the token of a workflow, which may not ask."""
    try:
        return str(_call(f"{api}/user", token, "GET").get("login") or "")
    except urllib.error.HTTPError:
        return ""


def _own_comment(comments: str, marker: str, token: str, login: str) -> int | None:
    page = 1
    while True:
        found = _call(f"{comments}?per_page=100&page={page}", token, "GET")
        for comment in found:
            author = comment.get("user") or {}
            is_own = author.get("login") == login if login else author.get("type") == "Bot"
            if is_own and str(comment.get("body", "")).startswith(marker):
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
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - as above
        return json.load(reply)


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],  # noqa: S607 - the runner's own
        capture_output=True,
        text=True,
        check=False,
    )


def _append(file: str | None, text: str) -> None:
    if file:
        with Path(file).open("a") as opened:
            opened.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [""], os.environ))
