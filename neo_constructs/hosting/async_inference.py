"""Answer requests later: what comes in and goes out lies in S3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns

from neo_constructs.engine.asked_once import pseudo
from neo_constructs.engine.permissions import key_arns, places, use_keys
from neo_constructs.engine.statements import Statement, allow
from neo_constructs.findings.finding import Finding
from neo_constructs.hosting.numbers import check_number
from neo_constructs.hosting.role_access import FeatureRights
from neo_constructs.hosting.storage import check_prefix
from neo_constructs.typed import check_fields

_WHERE: Final = "async_inference_config"
_CONCURRENCY: Final = (1, 1000)  # botocore, MaxConcurrentInvocationsPerInstance
_SUCCESS, _ERROR = "SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"

Rendered: TypeAlias = sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncInferenceConfig:
    """Where an asynchronous endpoint takes requests from and leaves answers.

    Such an endpoint takes no requests by InvokeEndpoint, only by InvokeEndpointAsync, and can scale
    to no instance at all. The models' roles get the rights to read and write below the prefixes,
    and to publish to the topics.

    Source: AWS developer guide, page async-inference.

    Parameters
    ----------
    bucket
        Where answers go, and where requests lie unless ``input_bucket`` says otherwise.
    prefix
        What the answers' keys start with. Default: ``async-output``.
    failure_prefix
        What the keys of failures start with. Default: ``async-failures``.
    input_bucket
        Where requests lie. Default: ``bucket``.
    input_prefix
        What the requests' keys start with. Default: ``async-input``.
    max_concurrent_invocations_per_instance
        1 to 1000. Default: SageMaker's choice.
    success_topic, error_topic
        Told of each answer, or failure. The roles may use the key of a topic that the app makes; an
        imported topic's key is not known, and its policy must let them. Default: none.
    include_response_in_topics
        Whether what is told holds the answer itself, if it is small. Default: False.
    encryption_key
        Encrypts the answers. Default: as the bucket encrypts.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> AsyncInferenceConfig(bucket=bucket, error_topic=topic)  # doctest: +SKIP
    """

    bucket: s3.IBucket
    prefix: str = "async-output"
    failure_prefix: str = "async-failures"
    input_bucket: s3.IBucket | None = None
    input_prefix: str = "async-input"
    max_concurrent_invocations_per_instance: int | None = None
    success_topic: sns.ITopic | None = None
    error_topic: sns.ITopic | None = None
    include_response_in_topics: bool = False
    encryption_key: kms.IKey | None = None

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self) -> list[Finding]:
        """Say what SageMaker would not take."""
        return [
            *check_number(
                self.max_concurrent_invocations_per_instance,
                f"{_WHERE}, max_concurrent_invocations_per_instance",
                *_CONCURRENCY,
            ),
            *check_prefix(self.prefix, f"{_WHERE}, prefix"),
            *check_prefix(self.failure_prefix, f"{_WHERE}, failure_prefix"),
            *check_prefix(self.input_prefix, f"{_WHERE}, input_prefix"),
            *self._check_topics(),
        ]

    def render(self) -> Rendered:
        """Return it as CloudFormation has it."""
        made, most = sagemaker.CfnEndpointConfig, self.max_concurrent_invocations_per_instance
        client = (
            made.AsyncInferenceClientConfigProperty(max_concurrent_invocations_per_instance=most)
            if most is not None
            else None
        )
        place = f"s3://{self.bucket.bucket_name}/"
        return Rendered(
            client_config=client,
            output_config=made.AsyncInferenceOutputConfigProperty(
                s3_output_path=place + self.prefix,
                s3_failure_path=place + self.failure_prefix,
                kms_key_id=self.encryption_key.key_arn if self.encryption_key else None,
                notification_config=self._notifications(),
            ),
        )

    def rights(self) -> FeatureRights:
        """Return what a model's role needs to read requests, write answers and tell topics."""
        inputs = self.input_bucket or self.bucket
        return FeatureRights(
            statements=[
                allow(
                    actions=["s3:GetObject"],
                    resources=[inputs.arn_for_objects(f"{self.input_prefix}/*")],
                ),
                allow(
                    actions=["s3:PutObject", "s3:AbortMultipartUpload"],
                    resources=[
                        self.bucket.arn_for_objects(f"{prefix}/*")
                        for prefix in (self.prefix, self.failure_prefix)
                    ],
                ),
                # A request that is not there must not look like one that may not be read.
                allow(
                    actions=["s3:ListBucket"],
                    resources=[inputs.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{self.input_prefix}/*"}},
                ),
                *use_keys(["kms:Decrypt"], inputs),
                *use_keys(["kms:GenerateDataKey", "kms:Decrypt"], self.bucket, self.encryption_key),
                *self._publishing(),
            ],
            places=[
                *places(self.bucket, self.encryption_key),
                *(places(self.input_bucket) if self.input_bucket else ()),
                *(topic.topic_arn for topic in self.topics),
            ],
            what=_WHERE,
            wildcards="requests and answers lie below prefixes; clients and SageMaker make the "
            "names",
        )

    @property
    def topics(self) -> Sequence[sns.ITopic]:
        """Who is told."""
        return tuple(each for each in (self.success_topic, self.error_topic) if each)

    def _publishing(self) -> list[Statement]:
        if not self.topics:
            return []
        arns = list(dict.fromkeys(topic.topic_arn for topic in self.topics))
        statements = [allow(actions=["sns:Publish"], resources=arns)]
        if keys := key_arns(*(topic.master_key for topic in self.topics)):
            # Amazon SNS developer guide, page Key management: who publishes uses the topic's key.
            statements.append(
                allow(
                    actions=["kms:GenerateDataKey", "kms:Decrypt"],
                    resources=keys,
                    conditions={
                        "StringEquals": {
                            "kms:ViaService": f"sns.{pseudo('REGION')}.{pseudo('URL_SUFFIX')}"
                        }
                    },
                )
            )
        return statements

    def _notifications(
        self,
    ) -> sagemaker.CfnEndpointConfig.AsyncInferenceNotificationConfigProperty | None:
        if not self.topics:
            return None
        told = [
            name
            for name, topic in ((_SUCCESS, self.success_topic), (_ERROR, self.error_topic))
            if topic
        ]
        return sagemaker.CfnEndpointConfig.AsyncInferenceNotificationConfigProperty(
            success_topic=self.success_topic.topic_arn if self.success_topic else None,
            error_topic=self.error_topic.topic_arn if self.error_topic else None,
            include_inference_response_in=told if self.include_response_in_topics else None,
        )

    def _check_topics(self) -> list[Finding]:
        if self.topics or not self.include_response_in_topics:
            return []
        return [
            Finding(
                code="async-topics",
                where=f"{_WHERE}, include_response_in_topics",
                message="It is on, and no topic is given that could hold an answer.",
                fix="give success_topic or error_topic.",
            )
        ]
