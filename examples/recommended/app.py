"""From a trained model to the instance type that serves it best, as Inference Recommender measures.

The steps are those of the AWS developer guide, page "Prerequisites" of Inference Recommender, with
the digits in place of its resnet-18; then come the two that the page leaves to its reader.
"""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk

import neo_constructs as neo

HERE = Path(__file__).parent
DIGITS = HERE.parent / "digits" / "pytorch"


def recommended(stack: cdk.Stack) -> neo.CompiledEndpoint:
    """Register, measure, choose, compile and serve."""
    # 1. A role. The page attaches AmazonSageMakerFullAccess; each construct here makes a role of
    #    its own, with the least that it is known to need.

    # 2. Models like it that were benchmarked, for domain, task and nearest_model_name below:
    #    neo model-metadata --domain COMPUTER_VISION --task IMAGE_CLASSIFICATION

    # 3. The model's archive. The page packs `tar -czf test.tar.gz model.pth resnet18.py`, after it
    #    has moved the script to code/inference.py. That archive has a file that nothing has made,
    #    so that tar fails; and without it no script: the container answers no ping, and the
    #    endpoint fails after a quarter of an hour. ServingArchive puts the script where the
    #    container looks for it, and checks it first.
    model = neo.ModelData.from_asset(DIGITS / "model.pth")
    archive = neo.ServingArchive(
        stack,
        "Archive",
        model_data_url=model.bind(stack).s3_uri,
        inference_code=neo.InferenceCode.from_asset(HERE / "code"),
    )

    # 4. The image. The page asks for it by an instance type, "just to set the arch as CPU".
    image = neo.InferenceImage.deep_learning_container("pytorch", "2.0")

    # 5. The sample payload. The page packs one photo, and macOS adds a hidden ._ file to it, which
    #    would be sent as a request too. Hidden, empty and too large files are refused here.
    payload = neo.SamplePayload.from_asset(HERE / "payloads")

    # 6. The registry: a group, and a version that says what it is.
    version = neo.ModelPackage(
        stack,
        "Version",
        model_package_group=neo.ModelPackageGroup(stack, "Versions"),
        container=neo.ContainerDefinition(
            model_data_url=archive.model_data_url,
            artifact_bucket=archive.artifact_bucket,
            image=image,
        ),
        domain="COMPUTER_VISION",
        task="IMAGE_CLASSIFICATION",
        framework="PYTORCH",
        framework_version="2.0",
        nearest_model_name="resnet18",
        sample_payload=payload,
        supported_content_types=["application/json"],
    )

    # 7. What the page leaves to its reader: measure on the types that the compiled model can be
    #    served by, and choose. A deploy with the same model and payload measures nothing.
    recommendation = neo.InferenceRecommendationsJob(
        stack,
        "Recommendation",
        model_package=version,
        instance_types=["ml.c5.large", "ml.c5.xlarge", "ml.c5.2xlarge"],
        selection=neo.RecommendationRule(
            objective="CostPerHour", max_model_latency=cdk.Duration.millis(100)
        ),
    )
    cdk.CfnOutput(stack, "Measured", value=recommendation.recommendations_url)

    # 8. And deploy: compiled for ml_c5, on the instance type that was chosen. What was measured is
    #    the model as the page registers it, not as Neo compiles it. To measure just what is served,
    #    register ContainerDefinition(compilation_job=job), and give CompiledEndpoint that job.
    return neo.CompiledEndpoint(
        stack,
        "Digits",
        model_data=model,
        framework=neo.Framework.pytorch("2.0"),
        data_input_config={"input0": [1, 1, 8, 8]},
        target=neo.TargetDevice.ML_C5,
        instance_type=recommendation.instance_type,
        initial_instance_count=recommendation.initial_instance_count,
        inference_code=neo.InferenceCode.from_asset(DIGITS / "code"),
    )


def main() -> None:
    """Make the stack."""
    app = cdk.App()
    recommended(cdk.Stack(app, "Recommended"))
    app.synth()


if __name__ == "__main__":
    main()
