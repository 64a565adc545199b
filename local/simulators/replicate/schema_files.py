"""The schema files of the models: `schemas/<owner>--<name>.json`.

A file has the fields of `GET /v1/models/{owner}/{name}` that a client can depend on: `is_official`
and `latest_version` with its OpenAPI schema. `source` says what was read. The files were written
from public copies of Replicate's schemas, and not from Darkroom's templates.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "schemas"

# The keywords of an input that its JSON Schema has in the simulator. The others are for people.
_KEYWORDS = {
    "type",
    "format",
    "items",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "multipleOf",
}


def read_schema(owner: str, name: str) -> dict[str, Any]:
    """Return the fields of the simulated model that its schema file sets. Without a file: none."""
    path = FOLDER / f"{owner}--{name}.json"
    if not path.exists():
        return {}
    document = json.loads(path.read_text())
    openapi = document["latest_version"]["openapi_schema"]
    schemas = openapi["components"]["schemas"]
    return {
        "official": document["is_official"],
        "version": document["latest_version"]["id"],
        "inputs": {
            field: _input(schema, schemas)
            for field, schema in sorted(
                schemas["Input"]["properties"].items(), key=lambda each: each[1]["x-order"]
            )
        },
        "required": schemas["Input"].get("required", []),
        "openapi_schema": openapi,
        "output": "uri[]" if schemas["Output"]["type"] == "array" else "uri",
    }


def _input(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of an input. Cog refers to a schema of its own for each enum."""
    referred = {
        key: value
        for each in schema.get("allOf", ())
        for key, value in schemas[each["$ref"].rpartition("/")[2]].items()
    }
    return {
        key: value
        for key, value in (referred | dict(schema)).items()
        # A default of null means that the input is missing.
        if key in _KEYWORDS and not (key == "default" and value is None)
    }
