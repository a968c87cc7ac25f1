"""Every code a finding can have, and what it means. A code never changes its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, str]] = {
    "wrong-type": "the argument is of another type",
    "known-at-synth": "the value must be known at synth",
    # the target
    "target-unknown": "the service has no such target",
    "target-not-served": "no SageMaker endpoint is known to serve the target",
    "target-hardware": "the hardware is retired or about to be",
    "target-region": "Neo compiles for the target in other regions only",
    "instance-type-unknown": "no endpoint has such an instance type",
    "instance-type-target": "the instance type is not of the target's family",
    # the framework
    "framework-missing": "no framework is given, and none can be read from the model",
    "framework-unknown": "Neo does not compile the framework for cloud instances",
    "framework-target": "Neo does not compile the framework for the target",
    "framework-version": "Neo does not compile the version for the target",
    "framework-version-form": "the version is not one that the API takes",
    "framework-version-missing": "the framework needs a version",
    "framework-doubtful": "Neo may have stopped compiling the framework",
    "framework-contradicts-model": "the model file is of another framework",
    # the inputs
    "data-input-config-missing": "Neo needs the names and shapes of the inputs",
    "data-input-config-form": "a shape is not a list of positive integers",
    "data-input-config-names": "the framework needs names for its inputs",
    "data-input-config-coreml": "only the target coreml takes an object for a shape",
    "data-input-config-layout": "an image's channels seem to stand on the wrong side",
    "data-input-config-order": "Neo binds the inputs in the order of their names",
    "data-input-config-length": "the JSON is longer than the API takes",
    "data-input-config-unneeded": "the framework has no named inputs",
    "data-input-config-contradicts-model": "the model file has other inputs",
    # the compiler and the job
    "compiler-options-length": "the options are shorter or longer than the API takes",
    "compiler-options-target": "the options are for another framework or target",
    "compiler-options-dtype": "Neo has no such dtype",
    "max-runtime": "the job may not run that long",
    "region-without-neo": "the region has no Neo images",
    "artifact-removal-policy": "the artifact can only be retained or destroyed",
    "destroy-in-two-deploys": "the artifacts can be destroyed only while the bucket is used",
    "removal-policy": "a job's record cannot outlive its stack",
    "pull-not-granted": "the image's registry is not known, so the role cannot be let in",
    "role-not-extended": "the role cannot be given the rights it needs from here",
    # images
    "image-unknown": "no image is known to serve the combination",
    "region-without-image": "the region does not have the image",
    "container-unknown": "there is no such deep learning container",
    # the model
    "model-missing": "there is no model at the path",
    "model-unreadable": "the model cannot be read",
    "model-ambiguous": "there is more than one model",
    "model-uri": "the URI does not name an object in S3",
    "model-not-an-archive": "the object is not named as a gzip-compressed tar archive",
    "model-not-pinned": "a replaced object would not be noticed",
    "onnx-version": "the file is newer than the ONNX that Neo compiles",
    "archive-link": "the archive holds links or devices",
    "archive-no-model": "the archive holds no model of the framework",
    "archive-many-models": "the archive holds more models than the framework's one",
    "archive-suffix": "Neo is known to look for another file name",
    "archive-extra-file": "the archive holds a file that keeps the framework from being compiled",
    # the script
    "script-missing": "there is no script at the path",
    "script-unreadable": "the script is not Python",
    "script-function-missing": "the script lacks a function that the container calls",
    "script-not-alone": "the container takes one script only",
    "script-not-taken": "the container takes no script",
    "script-needed": "the container has no handler of its own",
    "script-without-job": "a script is added to what a job compiled",
    "serving-archive-repack": "the script has to be put into the served archive",
    # hosting
    "model-source": "a model is made from a job or from an artifact",
    "model-image-missing": "an artifact does not say which image serves it",
    "model-other-stack": "the job is in another stack than the model",
    "artifact-bucket-missing": "the artifact's bucket is not given",
    "artifact-bucket-other": "the artifact lies in another bucket",
    "variant-count": "an endpoint has exactly one variant in this release",
    "instance-count": "a variant needs at least one instance",
    "variant-weight": "a weight is not negative",
    "endpoint-name": "the name is not one that SageMaker takes",
    # settings
    "setting-missing": "a setting is needed and not given",
    "setting-unknown": "there is no such setting",
    "setting-value": "a setting's value is not allowed",
}
