"""Schemathesis hooks: narrow the description to each template's schema, and add useful values."""

from __future__ import annotations

import copy
import hashlib
import os
import re
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st

# These names never resolve (RFC 2606), so no server receives requests.
_URLS = st.sampled_from(
    [
        "https://images.invalid/a.png",
        "https://images.invalid:8443/%E7%81%AF?size=1&x=%00",
        f"https://sub.images.invalid/{'a' * 1_900}",
    ]
)
# The platforms of the local stack. The document does not name them.
_PLATFORMS = ["web", "mobile"]
_USER_BYTES_MAX = 255
_KEY = re.compile(r"[ -~]{1,255}")

schemathesis.openapi.format("uri", _URLS)
schemathesis.openapi.format("image", _URLS | st.just(os.environ["FUZZ_UPLOAD"]))


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Narrow the description: no additional properties, and the parameters of each template."""
    schemas = raw_schema["components"]["schemas"]
    for name, schema in schemas.items():
        if "properties" in schema and name != "Document":
            schema["additionalProperties"] = False
    for path, operations in raw_schema["paths"].items():
        for operation in operations.values() if "{platform}" in path else ():
            operation["parameters"][0]["schema"]["enum"] = _PLATFORMS
    templates = _templates()
    quote = raw_schema["paths"]["/templates/{code}/quote"]["post"]
    for code, parameters in templates.items():
        raw_schema["paths"][f"/templates/{code}/quote"] = {
            "post": _quote_of(quote, code, parameters)
        }
    schemas["JobRequest"] |= {
        "properties": schemas["JobRequest"]["properties"] | {"rerun_of": {"type": "null"}},
        "required": ["template", "parameters"],
        "oneOf": [
            {"properties": {"template": {"const": code}, "parameters": parameters}}
            for code, parameters in templates.items()
        ],
    }


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Replace values that the API refuses although its description allows them.

    The API is never paused and the administrator is never suspended.
    Both would end the fuzzing of jobs.
    """
    if case.path == "/admin/paused" and isinstance(case.body, dict) and case.body.get("paused"):
        case.body = {"paused": False}
    if case.path.endswith("/suspend") and "fuzz." in str(case.path_parameters):
        case.path_parameters["user"] = "x"
    if len(str((case.path_parameters or {}).get("user", "")).encode()) > _USER_BYTES_MAX:
        # JSON Schema cannot limit bytes, so the description allows what the API refuses.
        case.path_parameters["user"] = "x"
    # An empty value counts as absent. A schema cannot say so, therefore no request has one.
    for name, value in (case.query or {}).items():
        if value in ("", {}, [""]):
            case.query[name] = " "
    if case.headers.get("Idempotency-Key") == "":
        case.headers["Idempotency-Key"] = "ü"
    if _KEY.fullmatch(str(case.headers.get("Idempotency-Key", ""))):
        case.headers["Idempotency-Key"] = hashlib.sha256(repr(case.body).encode()).hexdigest()


def _templates() -> dict[str, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {os.environ['FUZZ_TOKEN']}"}
    listed = requests.get(
        f"{os.environ['FUZZ_API_URL']}/templates", headers=headers, timeout=10
    ).json()["templates"]
    return {
        template["code"]: {
            name: _with_the_upload(part)
            for name, part in template["parameters"].items()
            if name != "$schema"
        }
        for template in listed
    }


def _with_the_upload(schema: Any) -> Any:
    """Return a schema in which an image that must be an upload can only be the existing one."""
    if isinstance(schema, list):
        return [_with_the_upload(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "image" and "pattern" in schema:
        return {"enum": [os.environ["FUZZ_UPLOAD"]]}
    return {name: _with_the_upload(part) for name, part in schema.items()}


def _quote_of(quote: dict[str, Any], code: str, parameters: dict[str, Any]) -> dict[str, Any]:
    own = copy.deepcopy(quote) | {"operationId": f"quote_{code}"}
    own["parameters"] = [parameter for parameter in own["parameters"] if parameter["in"] != "path"]
    request = {
        "type": "object",
        "properties": {"parameters": parameters},
        "required": ["parameters"],
        "additionalProperties": False,
    }
    own["requestBody"]["content"] = {"application/json": {"schema": request}}
    return own
