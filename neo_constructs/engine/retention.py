"""Custom resources must be deleted with their stack, or nobody removes what they have made."""

from __future__ import annotations

import re

from aws_cdk import CfnResource

from neo_constructs.engine.asked_once import stack_of
from neo_constructs.findings.finding import Finding


def not_retained(policy: str) -> Finding:
    """Return what is wrong with a removal policy that keeps a custom resource."""
    return Finding(
        code="removal-policy",
        where="removal policy",
        message=f"{policy} is given to a custom resource: CloudFormation would never delete it, "
        "and its job would be left over.",
        fix="give artifact_removal_policy, which is about the artifact; leave Custom::Neo "
        "resources out of RemovalPolicies.of(...).retain(), by exclude_resource_types.",
    )


def _in_python(policy: str) -> str:
    """Return the name that a policy of a template has in the CDK: ``RETAIN_EXCEPT_ON_CREATE``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", policy).upper()


class RetentionCheck:
    """Whether an aspect or an escape hatch has made custom resources outlive their stack.

    One check looks at all of a stack: each look of its own would be several calls to node.
    """

    def __init__(self) -> None:
        self._resources: list[CfnResource] = []

    def watch(self, resource: CfnResource) -> None:
        """Look at a custom resource, too."""
        self._resources.append(resource)

    def validate(self) -> list[str]:
        """Return the faults."""
        if not self._resources:
            return []
        given = [resource.cfn_options for resource in self._resources]
        found = stack_of(self._resources[0]).resolve(given)
        return [
            f"{resource.node.path}: {not_retained(_in_python(policy))}"
            for resource, options in zip(self._resources, found, strict=True)
            for policy in sorted(
                {options.get("deletionPolicy"), options.get("updateReplacePolicy")} - {None}
            )
            if policy != "Delete"
        ]
