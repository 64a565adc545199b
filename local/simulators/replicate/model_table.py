"""The simulated models, and the changes that a test makes to them.

To add a model, add a file in `models/`, and a file in `schemas/` with the real model's schema.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from local.simulators.common.model_files import read_models
from local.simulators.replicate import problems
from local.simulators.replicate.model import Model
from local.simulators.replicate.schema_files import read_schema
from local.simulators.replicate.validation import InvalidField, Schema, invalid_fields

MODELS = read_models(Path(__file__).parent / "models", Model, group="owner", known=read_schema)

_CHANGES: Schema = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "retired": {"type": "boolean"},
            "renamed_to": {"type": "string"},
            "version_removed": {"type": "boolean"},
            "official": {"type": "boolean"},
            "required": {"type": "array", "items": {"type": "string"}},
            "inputs": {"type": "object", "additionalProperties": {"type": ["object", "null"]}},
        },
    },
}


class ModelTable:
    """The models of one simulator. `PUT /sim/models` changes them.

    A change has these members, by the name of a model:

    - retired: the model does not exist any more.
    - renamed_to: the model has another name. The old name redirects to it.
    - version_removed: the version before the change does not exist any more.
    - official: whether the model can run without a version.
    - required: the inputs that the model requires.
    - inputs: the JSON Schemas that replace those of these inputs. Null removes an input.

    A change of the last three makes a new version. The version before it stays, unless it is
    removed, because a version never changes.
    """

    def __init__(self, models: Sequence[Model] = MODELS) -> None:
        """Start with the models of the files."""
        self._models = {model.full_name: model for model in models}
        self.set({})

    def find_by_name(self, full_name: str) -> Model | None:
        """Return the model with the name `owner/name`, or None."""
        return self._by_name.get(full_name)

    def find_by_version(self, version: str) -> Model | None:
        """Return the model of a version, or None.

        A version is `owner/name` (only for official models), `owner/name:<id>` or `<id>`.
        """
        full_name, colon, version_id = version.rpartition(":")
        if colon:
            model = self._by_version.get(version_id)
            return model if model and model.full_name == full_name else None
        model = self._by_name.get(version)
        if model is not None:
            return model if model.official else None
        return self._by_version.get(version)

    def moved_to(self, full_name: str) -> str | None:
        """Return the new name of a renamed model, or None."""
        return self._new_names.get(full_name)

    def document(self) -> Mapping[str, Any]:
        """Return the current changes as a JSON document."""
        return self._changes

    def set(self, document: object) -> None:
        """Replace all changes. Raises a Problem that names each invalid member."""
        if invalid := invalid_fields(document, _CHANGES):
            raise problems.invalid(invalid, title="Invalid changes")
        changes = cast("Mapping[str, Mapping[str, Any]]", document)
        if unknown := sorted(changes.keys() - self._models.keys()):
            field = InvalidField("unknown", unknown[0], "There is no such model")
            raise problems.invalid([field], title="Invalid changes")
        versions: list[Model] = []
        current: list[Model] = []
        for name, model in self._models.items():
            change = changes.get(name, {})
            if change.get("retired"):
                continue
            changed = _changed(model, change) if change else model
            current.append(changed)
            versions += [changed] if change.get("version_removed") else [model, changed]
        self._changes = changes
        self._by_name = {model.full_name: model for model in current}
        self._by_version = {model.version: model for model in versions}
        self._new_names = {
            name: change["renamed_to"] for name, change in changes.items() if "renamed_to" in change
        }


def _changed(model: Model, change: Mapping[str, Any]) -> Model:
    inputs = {**model.inputs, **change.get("inputs", {})}
    owner, _, name = change.get("renamed_to", model.full_name).partition("/")
    fields = {
        "owner": owner,
        "name": name,
        "official": change.get("official", model.official),
        "inputs": {each: schema for each, schema in inputs.items() if schema is not None},
        "required": change.get("required", model.required),
    }
    if change.keys() - {"renamed_to", "official"}:
        text = json.dumps([model.version, change])
        fields["version"] = hashlib.sha256(text.encode()).hexdigest()
        # The schema of the file is the one before the change.
        fields["openapi_schema"] = None
    try:
        return Model.model_validate({**model.model_dump(), **fields})
    except ValidationError as error:
        found = error.errors()[0]
        field = InvalidField("invalid", ".".join(map(str, found["loc"])), found["msg"])
        raise problems.invalid([field], title="Invalid changes") from error


_UNCHANGED = ModelTable()
find_by_name = _UNCHANGED.find_by_name
find_by_version = _UNCHANGED.find_by_version
