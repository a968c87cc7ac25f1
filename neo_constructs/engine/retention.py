"""Custom resources must be deleted with their stack, or nobody removes what they have made."""

from __future__ import annotations

import jsii
from aws_cdk import CfnDeletionPolicy, CfnResource
from constructs import IValidation

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


@jsii.implements(IValidation)
class RetentionCheck:
    """Whether an aspect or an escape hatch has made a custom resource outlive its stack.

    Parameters
    ----------
    resource
        The custom resource.
    """

    def __init__(self, resource: CfnResource) -> None:
        self._resource = resource

    def validate(self) -> list[str]:
        """Return the faults."""
        options = self._resource.cfn_options
        given = {options.deletion_policy, options.update_replace_policy}
        kept = [p.name for p in given if p and p is not CfnDeletionPolicy.DELETE]
        return [str(not_retained(name)) for name in sorted(kept)]
