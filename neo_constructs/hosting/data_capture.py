"""Keep a sample of an endpoint's requests and answers in S3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker

from neo_constructs.engine.permissions import use_keys
from neo_constructs.findings.finding import Finding
from neo_constructs.findings.wording import listed
from neo_constructs.hosting.numbers import check_number
from neo_constructs.hosting.storage import check_prefix
from neo_constructs.typed import check_fields

MODES: Final = ("Input", "Output")  # botocore, CaptureMode

Rendered: TypeAlias = sagemaker.CfnEndpointConfig.DataCaptureConfigProperty


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCaptureConfig:
    """What is kept of an endpoint's requests and answers, as JSON lines in S3.

    The models' roles get the right to write below the prefix, and nowhere else.

    Parameters
    ----------
    bucket
        Where it goes.
    prefix
        What the keys start with; SageMaker adds endpoint, variant and hour. Default:
        ``data-capture``.
    sampling_percentage
        How much is kept, 0 to 100. Default: 100.
    capture_modes
        ``Input``, ``Output`` or both. Default: both.
    csv_content_types, json_content_types
        Content types that are kept as text. Default: all is kept in base64.
    encryption_key
        Encrypts what is kept. Default: as the bucket encrypts.
    is_enabled
        False keeps nothing, and all settings. Default: True.

    Raises
    ------
    ValidationError
        If a field is of a wrong type. What is wrong otherwise is said by ``check``.

    Examples
    --------
    >>> DataCaptureConfig(bucket=bucket, sampling_percentage=10)  # doctest: +SKIP
    """

    bucket: s3.IBucket
    prefix: str = "data-capture"
    sampling_percentage: int = 100
    capture_modes: Sequence[str] = MODES
    csv_content_types: Sequence[str] = ()
    json_content_types: Sequence[str] = ()
    encryption_key: kms.IKey | None = None
    is_enabled: bool = True

    def __post_init__(self) -> None:
        """Refuse fields of wrong types."""
        check_fields(self)

    def check(self, where: str = "data_capture_config") -> list[Finding]:
        """Say what SageMaker would not take."""
        return [
            *check_number(
                self.sampling_percentage, f"{where}, sampling_percentage", 0, 100, unit="percent"
            ),
            *check_prefix(self.prefix, f"{where}, prefix"),
            *self._check_modes(where),
        ]

    def render(self) -> Rendered:
        """Return it as CloudFormation has it."""
        made = sagemaker.CfnEndpointConfig
        types = made.CaptureContentTypeHeaderProperty(
            csv_content_types=list(self.csv_content_types) or None,
            json_content_types=list(self.json_content_types) or None,
        )
        return Rendered(
            capture_options=[
                made.CaptureOptionProperty(capture_mode=mode) for mode in self.capture_modes
            ],
            destination_s3_uri=f"s3://{self.bucket.bucket_name}/{self.prefix}",
            initial_sampling_percentage=self.sampling_percentage,
            enable_capture=self.is_enabled,
            kms_key_id=self.encryption_key.key_arn if self.encryption_key else None,
            capture_content_type_header=(
                types if self.csv_content_types or self.json_content_types else None
            ),
        )

    def statements(self) -> list[iam.PolicyStatement]:
        """Return what a model's role needs to write it."""
        return [
            iam.PolicyStatement(
                actions=["s3:PutObject"],
                resources=[self.bucket.arn_for_objects(f"{self.prefix}/*")],
            ),
            *use_keys(["kms:GenerateDataKey", "kms:Decrypt"], self.bucket, self.encryption_key),
        ]

    def _check_modes(self, where: str) -> list[Finding]:
        unknown = [mode for mode in self.capture_modes if mode not in MODES]
        if self.capture_modes and not unknown:
            return []
        return [
            Finding(
                code="capture-mode",
                where=f"{where}, capture_modes",
                message=f"{list(self.capture_modes)!r} is given. Allowed: {listed(MODES)}.",
                fix="leave it out to keep both; is_enabled=False keeps nothing.",
            )
        ]
