"""The secrets of a real account, which only the functions of the stack can read.

moto returns its secrets to any signed request, and any credentials can sign. So these secrets are
not in moto.
"""

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from werkzeug.wrappers import Request, Response

from local.cloudformation.aws_access import error, is_signed_by_this_stack

_PREFIX = "secretsmanager."


class RealSecrets:
    """Responds to requests for these secrets in place of moto."""

    def __init__(self, values: Mapping[str, str | None]) -> None:
        """Keep the values, by ARN. None means a secret without a value."""
        self._values = values

    def response(self, request: Request) -> Response | None:
        """Return the response to a request for one of the secrets, or None for another request.

        Only GetSecretValue with a signature of the functions gets the value.
        """
        target = request.headers.get("X-Amz-Target", "")
        if not target.startswith(_PREFIX):
            return None
        arguments = json.loads(request.get_data() or b"{}")
        arn = arguments.get("SecretId")
        if arn not in self._values:
            return None
        match target.removeprefix(_PREFIX):
            case "GetSecretValue" if is_signed_by_this_stack(request):
                return self._read(arn, arguments.get("VersionStage", "AWSCURRENT"))
            case "GetSecretValue" | "PutSecretValue" | "UpdateSecret":
                return error(
                    "AccessDeniedException",
                    "Only the functions of the local stack may use the secret of a real account.",
                    HTTPStatus.BAD_REQUEST,
                )
        return None

    def _read(self, arn: str, stage: str) -> Response:
        value = self._values[arn]
        if value is None or stage != "AWSCURRENT":
            return error(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret value.",
                HTTPStatus.BAD_REQUEST,
            )
        document = {
            "ARN": arn,
            "Name": arn.rpartition(":secret:")[2],
            "SecretString": value,
            "VersionId": str(uuid.uuid5(uuid.NAMESPACE_URL, arn)),
            "VersionStages": [stage],
        }
        return Response(json.dumps(document), content_type="application/x-amz-json-1.1")
