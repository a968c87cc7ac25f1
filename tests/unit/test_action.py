"""The GitHub Action: its script, with a repository and an API on this machine."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.pull_request_review import MAX_COMMENT, main, shortened

MARKER = "<!-- neo review  -->"

# Writes an assembly with as many instances as a file of the app says.
SYNTH = """
mkdir -p {out}
count=$(cat count.txt)
test -z "${NEO_TOKEN:-}" || { echo "the token is here"; exit 7; }
cat > {out}/manifest.json <<'END'
{"artifacts": {"Stack": {"type": "aws:cloudformation:stack", "displayName": "Stack",
  "properties": {"templateFile": "Stack.template.json"}}}}
END
cat > {out}/Stack.template.json <<END
{"Resources": {"Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties":
  {"ProductionVariants": [{"VariantName": "A", "InitialInstanceCount": $count}]}}}}
END
"""


@dataclass
class GitHub:
    """An API on loopback, that keeps comments."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def github() -> Iterator[GitHub]:
    state = GitHub()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, value: Any) -> None:
            state.asked.append(f"{self.command} {self.path}")
            assert self.headers["Authorization"] == "Bearer secret"
            self.send_response(state.status)
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:
            if self.path == "/user":
                self.send_error(403)  # what the token of a workflow is told
                return
            page = int(self.path.rpartition("=")[2])
            self.answer(state.comments[(page - 1) * 100 : page * 100])

        def do_POST(self) -> None:
            number = len(state.comments) + 1
            state.comments.append({"id": number, "user": {"type": "Bot"}, **self.body()})
            self.answer({})

        def do_PATCH(self) -> None:
            number = int(self.path.rpartition("/")[2])
            state.comments[number - 1]["body"] = self.body()["body"]
            self.answer({})

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()


def run(environment: dict[str, str]) -> int:
    """Do what the action's two steps do, each with the environment that it gets."""
    secrets = ("NEO_TOKEN",)
    without = {name: value for name, value in environment.items() if name not in secrets}
    if code := main(["synthesize"], without):
        return code
    said = dict(
        line.split("=", 1) for line in Path(environment["GITHUB_OUTPUT"]).read_text().splitlines()
    )
    given = {"NEO_HEAD": said["head"], "NEO_BASE": said.get("base", "")}
    return main(["post"], {**environment, **given})


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return subprocess.run(
        ["git", "-C", str(folder), *settings, *arguments],  # noqa: S607 - whichever git there is
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def environment(tmp_path: Path, github: GitHub) -> dict[str, str]:
    """What GitHub sets for a step, in a repository whose head has two instances more."""
    workspace, temporary = tmp_path / "workspace", tmp_path / "temporary"
    (workspace / "app").mkdir(parents=True)
    temporary.mkdir()
    git(workspace, "init", "--quiet")
    commits = []
    for count in ("1", "3"):
        (workspace / "app" / "count.txt").write_text(count)
        git(workspace, "add", ".")
        git(workspace, "commit", "--quiet", "-m", count)
        commits.append(git(workspace, "rev-parse", "HEAD"))
    event = {"pull_request": {"number": 7, "base": {"sha": commits[0]}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    return {
        "PATH": "/usr/bin:/bin",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": "team/app",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_API_URL": github.url,
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "RUNNER_TEMP": str(temporary),
        "NEO_DIRECTORY": "app",
        "NEO_SETUP": "true",
        "NEO_SYNTH": SYNTH,
        "NEO_TOKEN": "secret",
    }


def test_a_pull_request_gets_one_comment_that_is_kept_up_to_date(
    environment: dict[str, str], github: GitHub, tmp_path: Path
) -> None:
    others = [{"id": n, "user": {"type": "User"}, "body": MARKER} for n in range(1, 101)]
    github.comments.extend(others)
    assert run(environment) == 0
    assert len(github.comments) == 101
    text = github.comments[-1]["body"]
    assert text.startswith(MARKER)
    assert "replaced: `AWS::SageMaker::EndpointConfig`" in text
    assert (tmp_path / "summary").read_text() == text
    report = f"report={tmp_path}/temporary/neo-review.md\n"
    assert (tmp_path / "output").read_text().endswith(report)
    workspace = Path(environment["GITHUB_WORKSPACE"])
    assert len(git(workspace, "worktree", "list").splitlines()) == 1

    (workspace / "app" / "count.txt").write_text("1")
    assert run(environment) == 0
    assert len(github.comments) == 101
    assert "Nothing: every resource stays" in github.comments[-1]["body"]


def test_an_app_that_is_new_is_reviewed_alone(environment: dict[str, str], github: GitHub) -> None:
    workspace = Path(environment["GITHUB_WORKSPACE"])
    (workspace / "new").mkdir()
    (workspace / "new" / "count.txt").write_text("1")
    assert run({**environment, "NEO_DIRECTORY": "new"}) == 0
    assert "What this change does" not in github.comments[0]["body"]


def test_a_token_that_may_only_read_leaves_the_summary(
    environment: dict[str, str],
    github: GitHub,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    github.status = 403
    assert run(environment) == 0
    assert "pull-requests: write" in capsys.readouterr().out
    assert (tmp_path / "summary").read_text().startswith(MARKER)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"GITHUB_EVENT_NAME": "pull_request_target"}, "on: pull_request"),
        ({"NEO_SETUP": "false"}, "has failed with 1"),
        ({"NEO_SYNTH": "mkdir {out}"}, "cdk synth"),
        ({"NEO_DIRECTORY": "nowhere"}, "no folder nowhere"),
        ({"NEO_DIRECTORY": "/usr"}, "below the repository"),
        ({"NEO_DIRECTORY": "../other"}, "below the repository"),
    ],
)
def test_what_fails_is_one_line(
    changes: dict[str, str],
    says: str,
    environment: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run({**environment, **changes}) == 1
    out = capfd.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("::error::")]
    assert says in line


def test_what_is_not_set_is_one_line(
    environment: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    del environment["RUNNER_TEMP"]
    assert main(["synthesize"], environment) == 1
    assert "'RUNNER_TEMP' is not set" in capfd.readouterr().out
    assert main(["synthesize"], {**environment, "RUNNER_TEMP": "x", "GITHUB_EVENT_PATH": "y"}) == 1
    assert "No such file" in capfd.readouterr().out


def test_a_base_that_fails_leaves_the_head_to_review(
    environment: dict[str, str], github: GitHub, capfd: pytest.CaptureFixture[str]
) -> None:
    synth = 'test "$(cat count.txt)" = 3\n' + environment["NEO_SYNTH"]
    assert run({**environment, "NEO_SYNTH": synth}) == 0
    assert "reviewed alone" in capfd.readouterr().out
    assert "What this change does" not in github.comments[0]["body"]


def test_modules_of_the_pull_request_are_not_run(
    environment: dict[str, str], github: GitHub
) -> None:
    workspace = Path(environment["GITHUB_WORKSPACE"])
    for name in ("neo_constructs", "logging"):
        (workspace / f"{name}.py").write_text("raise SystemExit('run')")
    assert run(environment) == 0
    assert "What this change does" in github.comments[0]["body"]


def test_several_apps_have_a_comment_each(environment: dict[str, str], github: GitHub) -> None:
    for name in ("one", "two", "one"):
        assert run({**environment, "NEO_NAME": name}) == 0
    assert len(github.comments) == 2


def test_an_api_that_fails_is_an_error(
    environment: dict[str, str], github: GitHub, capfd: pytest.CaptureFixture[str]
) -> None:
    github.status = 500
    assert run(environment) == 1
    assert "does not take the comment" in capfd.readouterr().out


def test_a_long_review_fits_a_comment() -> None:
    text = "<details>\n```mermaid\n" + "x\n" * MAX_COMMENT
    cut = shortened(text)
    assert len(cut) <= MAX_COMMENT
    assert cut.count("```") == 2
    assert cut.count("<details>") == cut.count("</details>")
    assert "job's summary" in cut


def test_the_action_gives_the_script_what_it_reads(project: Path) -> None:
    action = yaml.safe_load((project / "action.yml").read_text())
    script = (project / "tools" / "pull_request_review.py").read_text()
    _, synth, step = action["runs"]["steps"]
    assert "NEO_TOKEN" not in synth["env"]
    for name in {**synth["env"], **step["env"]}:
        assert name == "NEO_LIBRARY" or f"{name}" in script
    for name, given in action["inputs"].items():
        assert given["description"]
        assert f"inputs.{name} " in json.dumps(action["runs"])
    assert "tools/pull_request_review.py" in step["run"]
