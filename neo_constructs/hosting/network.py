"""A model's containers in a VPC."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from neo_constructs.engine.asked_once import stack_of
from neo_constructs.engine.statements import Statement, allow
from neo_constructs.engine.subnets import selected_subnets

# SageMaker developer guide, page Give SageMaker hosted endpoints access to resources in your VPC.
# Rests on A-HOST-13.
_OF_INTERFACES = (
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
_TO_DESCRIBE = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)


class ModelNetwork:
    """Subnets and security groups of a model's containers.

    Parameters
    ----------
    scope
        The model; a security group is made in it if none is given.
    vpc
        The VPC.
    vpc_subnets
        Default: its private subnets.
    security_groups
        Default: one is made.
    allow_all_outbound
        Whether the group that is made lets everything out. Default: True.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        vpc: ec2.IVpc,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] = (),
        allow_all_outbound: bool = True,
    ) -> None:
        self._scope = scope
        groups = list(security_groups) or [
            ec2.SecurityGroup(
                scope,
                "SecurityGroup",
                vpc=vpc,
                allow_all_outbound=allow_all_outbound,
                description="The containers of a SageMaker model",
            )
        ]
        self.connections = ec2.Connections(security_groups=groups)
        selected = selected_subnets(vpc, vpc_subnets)
        self.connectivity = selected.internet_connectivity_established
        self._subnets = list(selected.subnet_ids)
        self._groups = [group.security_group_id for group in groups]

    def render(self) -> sagemaker.CfnModel.VpcConfigProperty:
        """Return it as CloudFormation has it."""
        return sagemaker.CfnModel.VpcConfigProperty(
            security_group_ids=self._groups, subnets=self._subnets
        )

    def ids(self) -> dict[str, list[str]]:
        """Return it as SageMaker's API has it."""
        return {"SecurityGroupIds": self._groups, "Subnets": self._subnets}

    def statements(self) -> list[Statement]:
        """Return what the model's role needs to place interfaces: in these subnets, no others."""
        stack = stack_of(self._scope)
        place = f"arn:{stack.partition}:ec2:{stack.region}:{stack.account}"
        interfaces = f"{place}:network-interface/*"
        return [
            allow(
                # Rests on A-HOST-13.
                actions=["ec2:CreateNetworkInterface"],
                resources=[
                    interfaces,
                    *(f"{place}:subnet/{subnet}" for subnet in self._subnets),
                    *(f"{place}:security-group/{group}" for group in self._groups),
                ],
            ),
            allow(actions=list(_OF_INTERFACES), resources=[interfaces]),
            # The API has no resource level.
            allow(actions=list(_TO_DESCRIBE), resources=["*"]),
        ]
