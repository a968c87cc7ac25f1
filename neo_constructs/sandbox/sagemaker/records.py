"""Records of models, endpoint configurations and endpoints: made, described, listed, deleted."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TypeAlias

from neo_constructs.sandbox.sagemaker import requests
from neo_constructs.sandbox.sagemaker.errors import not_found, refused
from neo_constructs.sandbox.sagemaker.platform import Platform

Parameters: TypeAlias = Mapping[str, Any]
Record: TypeAlias = dict[str, Any]
Store: TypeAlias = MutableMapping[str, Record]


class Records:
    """Create, describe, list and delete of one kind of resource.

    Parameters
    ----------
    store
        Name to record, for the account and region of the current request.
    platform
        The AWS around it.
    kind
        As in an ARN: ``model``.
    name_key
        The name's parameter: ``ModelName``.
    """

    def __init__(self, store: Store, platform: Platform, *, kind: str, name_key: str) -> None:
        self.store = store
        self._platform = platform
        self._kind = kind
        self._name_key = name_key
        self._arn_key = name_key.replace("Name", "Arn")

    def create(self, parameters: Parameters) -> dict[str, Any]:
        """Create a record. Names that differ in case only are one: ARNs are in lower case."""
        name = parameters[self._name_key]
        arn = self._platform.arn(self._kind, name)
        if self.find(name):
            raise refused(f'Cannot create already existing {self._kind} "{arn}".')
        self.store[name] = {**parameters, self._arn_key: arn, "CreationTime": time.time()}
        return {self._arn_key: arn}

    def describe(self, parameters: Parameters) -> dict[str, Any]:
        """Describe a record."""
        return {k: v for k, v in self.get(parameters[self._name_key]).items() if k != "Tags"}

    def delete(self, parameters: Parameters) -> dict[str, Any]:
        """Delete a record."""
        del self.store[self.get(parameters[self._name_key])[self._name_key]]
        return {}

    def list(self, parameters: Parameters) -> dict[str, Any]:
        """List records, the newest first unless asked otherwise."""
        wanted, noun = parameters.get("NameContains", ""), self._name_key.removesuffix("Name")
        found = [record for name, record in self.store.items() if wanted in name]
        by_name = parameters.get("SortBy") == "Name"
        found.sort(key=lambda each: each[self._name_key if by_name else "CreationTime"])
        # API reference of each List operation: the default order is descending.
        if parameters.get("SortOrder") not in {"Ascending", "OrderKey"}:
            found.reverse()
        shown, following = requests.page(found, parameters)
        keys = (self._name_key, self._arn_key, "CreationTime", "LastModifiedTime", "EndpointStatus")
        summaries = [{k: each[k] for k in keys if k in each} for each in shown]
        return {f"{noun}s": summaries, **following}

    def find(self, name: str) -> Record | None:
        """Return a record; None if there is none."""
        return next((r for key, r in self.store.items() if key.lower() == name.lower()), None)

    def get(self, name: str) -> Record:
        """Return a record.

        Raises
        ------
        ApiError
            If there is none.
        """
        found = self.find(name)
        if found is None:
            raise not_found(self._kind, self._platform.arn(self._kind, name))
        return found
