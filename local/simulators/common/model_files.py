"""The files of the simulated models: one TOML file per model."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import BaseModel, ValidationError

type Schema = Mapping[str, Any]

_KEYWORDS = {*Draft202012Validator.VALIDATORS, "default", "minContains", "maxContains"}


class ModelFileInvalid(ValueError):
    """A model's file is invalid. The message names the file, the key and the fault."""


def read_models[Model: BaseModel](
    folder: Path,
    model_type: type[Model],
    *,
    group: str,
    known: Callable[[str, str], Mapping[str, Any]] = lambda _group, _name: {},
) -> tuple[Model, ...]:
    """Read every `<folder>/<group>/<name>.toml`, in the order of their paths.

    The model's field `name` gets the name of the file. The field that `group` names gets the name
    of the file's folder. `known` returns more fields for these two names. Raises ModelFileInvalid
    if a file is not TOML, repeats such a field, or is not a valid model.
    """
    paths = sorted(folder.glob("*/*.toml"))
    return tuple(
        _read(
            path,
            model_type,
            {group: path.parent.name, "name": path.stem, **known(path.parent.name, path.stem)},
        )
        for path in paths
    )


def _read[Model: BaseModel](path: Path, model_type: type[Model], fields: dict[str, Any]) -> Model:
    try:
        document = tomllib.loads(path.read_text())
        if repeated := sorted(document.keys() & fields.keys()):
            raise ModelFileInvalid(
                f"{path}: {', '.join(repeated)}: the path of the file or its schema already sets"
                " this; remove the key from the file"
            )
        # In strict mode pydantic converts a list to a tuple only if the document is JSON.
        return model_type.model_validate_json(json.dumps(fields | document), strict=True)
    except ValidationError as error:
        found = error.errors()[0]
        key = ".".join(map(str, found["loc"]))
        raise ModelFileInvalid(f"{path}: {key}: {found['msg']}") from error
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ModelFileInvalid(f"{path}: {error}") from error


def check_schemas(
    schemas: Mapping[str, Schema], more_keywords: frozenset[str] = frozenset()
) -> Mapping[str, Schema]:
    """Check the JSON Schemas of a model's inputs, by input, and return them.

    `more_keywords` are keywords of the provider's own validator. Raises ValueError if a schema is
    invalid, has an unknown keyword, has no type, or has an invalid default.
    """
    for name, schema in schemas.items():
        for fault in _faults(schema, more_keywords):
            raise ValueError(f"{name}: {fault}")
    return schemas


def _faults(schema: Schema, more_keywords: frozenset[str]) -> Iterator[str]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield error.message
        return
    if unknown := sorted(schema.keys() - _KEYWORDS - more_keywords):
        yield f"unknown keyword {', '.join(unknown)}"
    if "type" not in schema:
        yield "type is missing"
    if "default" in schema and not Draft202012Validator(schema).is_valid(schema["default"]):
        yield "the default is not valid"
