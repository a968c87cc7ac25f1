"""The engine's functions in a VPC."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IDependable

from neo_constructs.engine.acknowledgements import acknowledge_wildcards
from neo_constructs.engine.options import JobEngineOptions
from neo_constructs.engine.statements import allow, policy_document
from neo_constructs.engine.subnets import selected_subnets

# The AWS managed policy AWSLambdaVPCAccessExecutionRole.
_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
_REASON = "Lambda places a function's interfaces with the rights of AWSLambdaVPCAccessExecutionRole"


@dataclass(frozen=True, slots=True)
class FunctionNetwork:
    """Where functions' network interfaces are.

    Parameters
    ----------
    config
        As a function has it.
    policy
        The right to make interfaces: Lambda asks for it as it makes a function.
    connectivity
        The routes and gateways of a VPC of this app, without which a function reaches nothing.
    """

    config: lambda_.CfnFunction.VpcConfigProperty
    policy: IDependable
    connectivity: IDependable


def function_network(
    scope: Construct, role: iam.Role, options: JobEngineOptions
) -> FunctionNetwork | None:
    """Return the network of an engine's functions; None if they are in no VPC."""
    if options.vpc is None:
        return None
    groups = list(options.security_groups) or [
        ec2.SecurityGroup(
            scope,
            "SecurityGroup",
            vpc=options.vpc,
            description="The functions of the Neo job engine",
        )
    ]
    use = allow(actions=list(_ACTIONS), resources=["*"])
    policy = iam.ManagedPolicy(scope, "Network", roles=[role], document=policy_document([use]))
    acknowledge_wildcards(policy, [use], _REASON)
    selected = selected_subnets(options.vpc, options.vpc_subnets)
    return FunctionNetwork(
        lambda_.CfnFunction.VpcConfigProperty(
            security_group_ids=[group.security_group_id for group in groups],
            subnet_ids=list(selected.subnet_ids),
        ),
        policy,
        selected.internet_connectivity_established,
    )
