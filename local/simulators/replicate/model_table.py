"""The models that can be called here. A new model is a new entry in one of the two lists."""

from local.simulators.replicate.image_models import IMAGE_MODELS
from local.simulators.replicate.models import Model
from local.simulators.replicate.video_models import FILM_MODELS

MODELS: tuple[Model, ...] = (*IMAGE_MODELS, *FILM_MODELS)

_BY_NAME = {model.full_name: model for model in MODELS}
_BY_VERSION = {model.version: model for model in MODELS}


def find_by_name(full_name: str) -> Model | None:
    """Return the model `owner/name`."""
    return _BY_NAME.get(full_name)


def find_by_version(version: str) -> Model | None:
    """Return the model meant by `owner/name` (official models only), `owner/name:<id>` or `<id>`."""
    full_name, colon, version_id = version.rpartition(":")
    if colon:
        model = _BY_VERSION.get(version_id)
        return model if model and model.full_name == full_name else None
    model = _BY_NAME.get(version)
    if model is not None:
        return model if model.official else None
    return _BY_VERSION.get(version)
