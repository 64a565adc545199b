"""The call in a request to the AWS port: its service, its operation and its parameters.

Source: each service's API reference, as botocore's models describe it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import unescape

from werkzeug.wrappers import Request

from local.cloudformation.s3_forms import is_form_upload

_SERVICES = {
    "AWSCognitoIdentityProviderService": "cognito-idp",
    "AWSEvents": "events",
    "AWSStepFunctions": "states",
    "AmazonSQS": "sqs",
    "secretsmanager": "secretsmanager",
}
_DYNAMODB = "DynamoDB_"
_INVOCATION = re.compile(r"/2015-03-31/functions/(?P<function>.+)/invocations")
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")
_KEY = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)
# Parameters of a query that select an operation of S3 other than those below.
_S3_PLAIN = {
    "continuation-token",
    "delete",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "list-type",
    "marker",
    "max-keys",
    "partNumber",
    "prefix",
    "start-after",
    "uploadId",
    "uploads",
    "x-id",
}
_S3_OBJECT_OPERATIONS = {
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "PUT": "PutObject",
    "DELETE": "DeleteObject",
}


@dataclass(frozen=True)
class AwsCall:
    """A call. `service` is the prefix of the service in policies."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read_call(request: Request) -> AwsCall:
    """Return the call in a request for a service other than S3. Its body must be buffered."""
    if found := _INVOCATION.fullmatch(request.path):
        qualifier = request.args.get("Qualifier")
        parameters = {"FunctionName": unquote(found["function"])}
        return AwsCall(
            "lambda", "Invoke", parameters | ({"Qualifier": qualifier} if qualifier else {})
        )
    target, _, operation = request.headers.get("X-Amz-Target", "").rpartition(".")
    service = "dynamodb" if target.startswith(_DYNAMODB) else _SERVICES.get(target)
    if service:
        return AwsCall(service, operation, json.loads(request.get_data() or b"{}"))
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    name = operation or request.form.get("Action") or f"{request.method} {request.path}"
    # A service with the query protocol, such as SNS, has its parameters in a form.
    form = {key: value for key, value in request.form.items() if key not in ("Action", "Version")}
    return AwsCall(scope["service"] if scope else "unknown", name, form)


def read_s3_call(request: Request) -> AwsCall:
    """Return the call in a request for S3. The body of a form and of DeleteObjects is buffered.

    The operation is the request's method and query if the local stack does not know it. A policy
    cannot name such an operation, so no role may use it.
    """
    bucket, key = bucket_and_key(request)
    if is_form_upload(request):
        form = {name.lower(): value for name, value in request.form.items()}
        return AwsCall("s3", "PutObject", {"Bucket": bucket, "Key": form.get("key", "")})
    query = {name for name in request.args if not name.lower().startswith("x-amz-")}
    operation = _s3_operation(request, key) if query <= _S3_PLAIN | _response_names(query) else None
    if operation is None:
        return AwsCall("s3", f"{request.method} ?{'&'.join(sorted(query))}", {"Bucket": bucket})
    parameters: dict[str, Any] = {"Bucket": bucket}
    if key:
        parameters["Key"] = key
    if "prefix" in request.args:
        parameters["Prefix"] = request.args["prefix"]
    if operation == "CopyObject":
        parameters["CopySource"] = unquote(request.headers["X-Amz-Copy-Source"])
    if operation == "DeleteObjects":
        parameters["Delete"] = {"Objects": list(_objects(request.get_data()))}
    return AwsCall("s3", operation, parameters)


def bucket_and_key(request: Request) -> tuple[str, str]:
    """Return the bucket and the key of a request for S3. S3 accepts the bucket in the host, too."""
    subdomain, _, rest = request.host.partition(".localhost")
    path = request.path.removeprefix("/")
    if rest:
        return subdomain, path
    bucket, _, key = path.partition("/")
    return bucket, key


def _s3_operation(request: Request, key: str) -> str | None:
    method, query = request.method, request.args
    if not key:
        if method == "POST" and "delete" in query:
            return "DeleteObjects"
        lists = "ListObjectsV2" if request.path.strip("/") else "ListAllMyBuckets"
        return {"GET": lists, "HEAD": "HeadBucket"}.get(method)
    if "uploads" in query or "uploadId" in query:
        if method == "DELETE":
            return "AbortMultipartUpload"
        return "UploadPart" if method in ("POST", "PUT") else None
    if method == "PUT" and "X-Amz-Copy-Source" in request.headers:
        return "CopyObject"
    return _S3_OBJECT_OPERATIONS.get(method)


def _response_names(query: set[str]) -> set[str]:
    """Return the names that only set headers of the response, such as its disposition."""
    return {name for name in query if name.startswith("response-")}


def _objects(body: bytes) -> Iterator[dict[str, str]]:
    """Yield the objects of a DeleteObjects request."""
    for found in _KEY.findall(body.decode()):
        yield {"Key": unescape(found, {"&quot;": '"', "&#13;": "\r", "&#10;": "\n"})}
