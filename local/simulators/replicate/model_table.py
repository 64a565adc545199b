"""The models that can be called. A new model is a new file in `models/`."""

from pathlib import Path

from local.simulators.common.model_files import read_models
from local.simulators.replicate.model import Model

MODELS = read_models(Path(__file__).parent / "models", Model, group="owner")

_BY_NAME = {model.full_name: model for model in MODELS}
_BY_VERSION = {model.version: model for model in MODELS}


def find_by_name(full_name: str) -> Model | None:
    """Return the model `owner/name`."""
    return _BY_NAME.get(full_name)


def find_by_version(version: str) -> Model | None:
    """Return the model of `owner/name` (official models only), `owner/name:<id>` or `<id>`."""
    full_name, colon, version_id = version.rpartition(":")
    if colon:
        model = _BY_VERSION.get(version_id)
        return model if model and model.full_name == full_name else None
    model = _BY_NAME.get(version)
    if model is not None:
        return model if model.official else None
    return _BY_VERSION.get(version)
