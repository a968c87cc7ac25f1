"""Objects that the engine copies: the model's archive, and the script's."""

from __future__ import annotations

from constructs import Construct

from neo_constructs.compilation.model_data import AssetLocation, SourceLocation
from neo_constructs.compilation.places import check_source_bucket
from neo_constructs.engine.job_engine import JobEngine
from neo_constructs.engine.permissions import warn


def read_source(
    scope: Construct, engine: JobEngine, location: SourceLocation, where: str
) -> SourceLocation:
    """Let the engine read an object, with a warning where its bucket is another account's.

    Parameters
    ----------
    scope
        What the warning is attached to.
    engine
        The stack's.
    location
        The object.
    where
        The argument that names it.
    """
    # Rests on A-IAM-10.
    if isinstance(location, AssetLocation):
        engine.read_asset(location.bucket_name, location.key)
        return location
    warn(scope, check_source_bucket(scope, location.bucket, location.key, where))
    has_version = location.object_version is not None
    engine.read_object(location.bucket, location.key, has_version=has_version)
    return location
