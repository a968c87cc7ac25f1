"""Synthesize the app and every example with the CDK's own validation on, and run cfn-lint.

    python tools/lint_templates.py [--synthesize-only]

Exits 1 if a template has a finding, of either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parent.parent
CFN_LINT = str(Path(sys.executable).with_name("cfn-lint"))


def main() -> int:
    """Check every app."""
    apps = [PROJECT / "app.py", *sorted((PROJECT / "examples").glob("*/app.py"))]
    return max(check(app) for app in apps)


def check(app: Path) -> int:
    """Synthesize and lint one app."""
    name = str(app.relative_to(PROJECT))
    with tempfile.TemporaryDirectory() as folder:
        context = json.loads((PROJECT / "cdk.json").read_text())["context"]
        environment = {k: v for k, v in os.environ.items() if k != "CDK_VALIDATION"}
        environment |= {"CDK_OUTDIR": folder, "CDK_CONTEXT_JSON": json.dumps(context)}
        subprocess.run([sys.executable, str(app)], env=environment, cwd=PROJECT, check=True)
        templates = sorted(str(path) for path in Path(folder).glob("*.template.json"))
        if "--synthesize-only" in sys.argv:
            print(f"{name}: {len(templates)} template(s)")
            return 0 if templates else 1
        linted = subprocess.run([CFN_LINT, "--", *templates], check=False)
        report = json.loads((Path(folder) / "validation-report.json").read_text())
        findings = [v for plugin in report["pluginReports"] for v in plugin["violations"]]
    for finding in findings:
        print(f"{name}: {json.dumps(finding)}")
    verdict = "clean" if not findings and linted.returncode == 0 else "has findings"
    print(f"{name}: {len(templates)} template(s), {verdict} (cfn-lint, CDK validation)")
    return int(verdict != "clean")


if __name__ == "__main__":
    sys.exit(main())
