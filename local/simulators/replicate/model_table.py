"""The simulated models. To add a model, add a file in `models/`, and its schema in `schemas/`."""

from pathlib import Path

from local.simulators.common.model_files import read_models
from local.simulators.replicate.model import Model
from local.simulators.replicate.schema_files import read_schema

MODELS = read_models(Path(__file__).parent / "models", Model, group="owner", known=read_schema)

_BY_NAME = {model.full_name: model for model in MODELS}
_BY_VERSION = {model.version: model for model in MODELS}


def find_by_name(full_name: str) -> Model | None:
    """Return the model with the name `owner/name`, or None."""
    return _BY_NAME.get(full_name)


def find_by_version(version: str) -> Model | None:
    """Return the model of a version, or None.

    A version is `owner/name` (only for official models), `owner/name:<id>` or `<id>`.
    """
    full_name, colon, version_id = version.rpartition(":")
    if colon:
        model = _BY_VERSION.get(version_id)
        return model if model and model.full_name == full_name else None
    model = _BY_NAME.get(version)
    if model is not None:
        return model if model.official else None
    return _BY_VERSION.get(version)
