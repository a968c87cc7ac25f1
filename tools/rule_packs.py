"""Count what the rule packs of cdk-nag find in each example of hosting.

    python -m tools.rule_packs

The findings of AwsSolutions are all answered (tests/templates/test_nag.py); those of the other
packs are for a reviewer to weigh, and docs/security.md says what they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R5Checks,
    PCIDSS321Checks,
)

from tests.templates.features import FEATURES

PACKS = {
    "AwsSolutions": AwsSolutionsChecks,
    "NIST.800.53.R5": NIST80053R5Checks,
    "HIPAA.Security": HIPAASecurityChecks,
    "PCI.DSS.321": PCIDSS321Checks,
}
ENVIRONMENT = cdk.Environment(account="123456789012", region="eu-west-1")


def findings(name: str) -> dict[str, Counter[str]]:
    """Return how often each rule of each pack is violated by an example."""
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder)
        FEATURES[name](cdk.Stack(app, "Stack", env=ENVIRONMENT))
        cdk.Validations.of(app).add_plugins(*(pack(app) for pack in PACKS.values()))
        with contextlib.suppress(RuntimeError):  # there are findings: they are in the report
            app.synth()
        report = json.loads((Path(folder) / "validation-report.json").read_text())
    found: dict[str, Counter[str]] = {pack: Counter() for pack in PACKS}
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            rule = violation["ruleName"].partition("[")[0]
            pack = next((each for each in PACKS if rule.startswith(each)), None)
            if pack:
                found[pack][rule] += len(violation["violatingConstructs"])
    return found


def main() -> int:
    """Print a table, and every rule that is violated."""
    os.environ["CDK_VALIDATION"] = "true"
    rules: Counter[str] = Counter()
    print("| example | " + " | ".join(PACKS) + " |")
    print("|---" * (len(PACKS) + 1) + "|")
    for name in FEATURES:
        found = findings(name)
        print(f"| {name} | " + " | ".join(str(sum(found[p].values())) for p in PACKS) + " |")
        for each in found.values():
            rules += each
    for rule, times in sorted(rules.items()):
        print(f"{rule}: {times}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
