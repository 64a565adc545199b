"""Call an AWS service with its JSON protocol, for functions without the SDK."""

import json
import os
import urllib.request
from typing import Any


def call(service: str, target: str, **arguments: Any) -> Any:
    region = os.environ["AWS_REGION"]
    scope = f"20260101/{region}/{service}/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"] + "/",
        json.dumps(arguments).encode(),
        {
            "X-Amz-Target": target,
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": authorization,
        },
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.loads(response.read() or b"null")
