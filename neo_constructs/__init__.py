"""AWS CDK constructs that take a trained model to a compiled, served SageMaker endpoint.

Names are loaded when first used: the command line, the catalog and the archive tools start
without the CDK and without node.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neo_constructs.catalog.compiler_options import CompilerOptions
    from neo_constructs.catalog.data_input import DataInputConfig
    from neo_constructs.catalog.framework import Framework
    from neo_constructs.catalog.target import TargetDevice
    from neo_constructs.compilation.artifact_bucket import ArtifactBucket
    from neo_constructs.compilation.compilation_job import CompilationJob
    from neo_constructs.compilation.inference_image import InferenceImage
    from neo_constructs.compilation.interfaces import ICompilationJob
    from neo_constructs.compilation.model_data import ModelData
    from neo_constructs.engine.options import JobEngineOptions
    from neo_constructs.findings.errors import NeoConstructsError, ValidationError
    from neo_constructs.findings.finding import Finding
    from neo_constructs.hosting.alarms import EndpointAlarms
    from neo_constructs.hosting.async_inference import AsyncInferenceConfig
    from neo_constructs.hosting.container import ContainerDefinition
    from neo_constructs.hosting.dashboard import EndpointDashboard
    from neo_constructs.hosting.data_capture import DataCaptureConfig
    from neo_constructs.hosting.deployment import CapacitySize, DeploymentConfig
    from neo_constructs.hosting.endpoint import Endpoint
    from neo_constructs.hosting.endpoint_config import EndpointConfig
    from neo_constructs.hosting.endpoint_variant import EndpointVariant
    from neo_constructs.hosting.inference_code import InferenceCode
    from neo_constructs.hosting.instance_type_choice import InstanceTypeChoice
    from neo_constructs.hosting.interfaces import IEndpoint, IEndpointConfig, IModel
    from neo_constructs.hosting.model import Model
    from neo_constructs.hosting.package_interface import IModelPackage
    from neo_constructs.hosting.scaling import ScalableInstanceCount, ScalableProvisionedConcurrency
    from neo_constructs.hosting.serving_archive import ServingArchive
    from neo_constructs.hosting.variants import InstanceVariant, ServerlessVariant
    from neo_constructs.patterns.compiled_endpoint import CompiledEndpoint
    from neo_constructs.patterns.compiled_variant import CompiledVariant, InstanceScaling
    from neo_constructs.patterns.settings import Settings
    from neo_constructs.patterns.stacks import CompilationStack, CompiledEndpointStack, HostingStack
    from neo_constructs.recommender.load_test import (
        EndpointInputConfiguration,
        StoppingConditions,
        TrafficPattern,
        TrafficPhase,
    )
    from neo_constructs.recommender.recommendations_job import InferenceRecommendationsJob
    from neo_constructs.recommender.selection import RecommendationRule
    from neo_constructs.registry.approved_model_package import ApprovedModelPackage
    from neo_constructs.registry.model_package import ModelPackage
    from neo_constructs.registry.model_package_group import IModelPackageGroup, ModelPackageGroup
    from neo_constructs.registry.sample_payload import SamplePayload
    from neo_constructs.scripts.serving_contract import ServingContract

__all__ = [
    "ApprovedModelPackage",
    "ArtifactBucket",
    "AsyncInferenceConfig",
    "CapacitySize",
    "CompilationJob",
    "CompilationStack",
    "CompiledEndpoint",
    "CompiledEndpointStack",
    "CompiledVariant",
    "CompilerOptions",
    "ContainerDefinition",
    "DataCaptureConfig",
    "DataInputConfig",
    "DeploymentConfig",
    "Endpoint",
    "EndpointAlarms",
    "EndpointConfig",
    "EndpointDashboard",
    "EndpointInputConfiguration",
    "EndpointVariant",
    "Finding",
    "Framework",
    "HostingStack",
    "ICompilationJob",
    "IEndpoint",
    "IEndpointConfig",
    "IModel",
    "IModelPackage",
    "IModelPackageGroup",
    "InferenceCode",
    "InferenceImage",
    "InferenceRecommendationsJob",
    "InstanceScaling",
    "InstanceTypeChoice",
    "InstanceVariant",
    "JobEngineOptions",
    "Model",
    "ModelData",
    "ModelPackage",
    "ModelPackageGroup",
    "NeoConstructsError",
    "RecommendationRule",
    "SamplePayload",
    "ScalableInstanceCount",
    "ScalableProvisionedConcurrency",
    "ServerlessVariant",
    "ServingArchive",
    "ServingContract",
    "Settings",
    "StoppingConditions",
    "TargetDevice",
    "TrafficPattern",
    "TrafficPhase",
    "ValidationError",
]

_MODULES = {
    "ApprovedModelPackage": "registry.approved_model_package",
    "ArtifactBucket": "compilation.artifact_bucket",
    "AsyncInferenceConfig": "hosting.async_inference",
    "CapacitySize": "hosting.deployment",
    "CompilationJob": "compilation.compilation_job",
    "CompilationStack": "patterns.stacks",
    "CompiledEndpoint": "patterns.compiled_endpoint",
    "CompiledEndpointStack": "patterns.stacks",
    "CompiledVariant": "patterns.compiled_variant",
    "CompilerOptions": "catalog.compiler_options",
    "ContainerDefinition": "hosting.container",
    "DataCaptureConfig": "hosting.data_capture",
    "DataInputConfig": "catalog.data_input",
    "DeploymentConfig": "hosting.deployment",
    "Endpoint": "hosting.endpoint",
    "EndpointAlarms": "hosting.alarms",
    "EndpointConfig": "hosting.endpoint_config",
    "EndpointDashboard": "hosting.dashboard",
    "EndpointInputConfiguration": "recommender.load_test",
    "EndpointVariant": "hosting.endpoint_variant",
    "Finding": "findings.finding",
    "Framework": "catalog.framework",
    "HostingStack": "patterns.stacks",
    "ICompilationJob": "compilation.interfaces",
    "IEndpoint": "hosting.interfaces",
    "IEndpointConfig": "hosting.interfaces",
    "IModel": "hosting.interfaces",
    "IModelPackage": "hosting.package_interface",
    "IModelPackageGroup": "registry.model_package_group",
    "InferenceCode": "hosting.inference_code",
    "InferenceImage": "compilation.inference_image",
    "InferenceRecommendationsJob": "recommender.recommendations_job",
    "InstanceScaling": "patterns.compiled_variant",
    "InstanceTypeChoice": "hosting.instance_type_choice",
    "InstanceVariant": "hosting.variants",
    "JobEngineOptions": "engine.options",
    "Model": "hosting.model",
    "ModelData": "compilation.model_data",
    "ModelPackage": "registry.model_package",
    "ModelPackageGroup": "registry.model_package_group",
    "NeoConstructsError": "findings.errors",
    "RecommendationRule": "recommender.selection",
    "SamplePayload": "registry.sample_payload",
    "ScalableInstanceCount": "hosting.scaling",
    "ScalableProvisionedConcurrency": "hosting.scaling",
    "ServerlessVariant": "hosting.variants",
    "ServingArchive": "hosting.serving_archive",
    "ServingContract": "scripts.serving_contract",
    "Settings": "patterns.settings",
    "StoppingConditions": "recommender.load_test",
    "TargetDevice": "catalog.target",
    "TrafficPattern": "recommender.load_test",
    "TrafficPhase": "recommender.load_test",
    "ValidationError": "findings.errors",
}


if not TYPE_CHECKING:  # a type checker must miss a name that is misspelt

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
