"""The subnets of a VPC that a selection names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_ec2 as ec2

from neo_constructs.findings.finding import Finding

MAX_GROUPS: Final = 5  # botocore, VpcSecurityGroupIds; Lambda's VpcConfig has the same limit


def selected_subnets(vpc: ec2.IVpc, chosen: ec2.SubnetSelection | None) -> ec2.SelectedSubnets:
    """Return the subnets that are selected; by default the private ones."""
    asked = chosen or ec2.SubnetSelection()
    return vpc.select_subnets(
        availability_zones=asked.availability_zones,
        one_per_az=asked.one_per_az,
        subnet_filters=asked.subnet_filters,
        subnet_group_name=asked.subnet_group_name,
        subnets=asked.subnets,
        subnet_type=asked.subnet_type,
    )


def check_vpc(
    vpc: ec2.IVpc | None,
    vpc_subnets: ec2.SubnetSelection | None,
    security_groups: Sequence[ec2.ISecurityGroup],
    *,
    allow_all_outbound: bool | None = None,
) -> list[Finding]:
    """Say if parts of a network are given that mean nothing together."""
    given = [
        name
        for name, is_given in (
            ("vpc_subnets", vpc_subnets is not None),
            ("security_groups", bool(security_groups)),
            ("allow_all_outbound", allow_all_outbound is not None),
        )
        if is_given
    ]
    if vpc is None and given:
        return [
            Finding(
                code="vpc-missing",
                where=", ".join(given),
                message="Parts of a network are given without a vpc.",
                fix="give the vpc that they are of.",
            )
        ]
    if len(security_groups) > MAX_GROUPS:
        return [
            Finding(
                code="vpc-groups",
                where="security_groups",
                message=f"{len(security_groups)} are given. Allowed: up to {MAX_GROUPS}.",
                fix="put their rules into fewer groups.",
            )
        ]
    if vpc is not None and security_groups and allow_all_outbound is not None:
        return [
            Finding(
                code="vpc-outbound",
                where="allow_all_outbound",
                message="It is about the security group that is made, and security_groups are "
                "given.",
                fix="leave it out; the given groups say what is let out.",
            )
        ]
    return []
