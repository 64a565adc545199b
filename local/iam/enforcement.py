"""Refuses the requests of roles that no policy allows, in the formats of AWS.

An access key that stands for no role of the stack is an administrator's, who may do everything.
Errors: IAM User Guide, "Troubleshoot access denied error messages", and Amazon S3 API Reference,
"Error responses".
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from xml.sax.saxutils import escape

from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import FakeDeleteMarker, s3_backends
from werkzeug.wrappers import Request, Response

from local.cloudformation.account import (
    ACCOUNT_ID,
    PARTITION,
    REGION,
    role_access_key,
)
from local.cloudformation.aws_access import error, signer_of
from local.cloudformation.s3_access import s3_error
from local.cloudformation.s3_forms import is_form_upload
from local.iam.accesses import Account, accesses_of, object_arn
from local.iam.http_calls import AwsCall, read_call, read_s3_call
from local.iam.policies import Access
from local.iam.roles import Policies, Role, StackResources, read_policies
from local.iam.targets import check_targets

_READS_OF_OBJECTS = ("GetObject", "HeadObject")


class Enforcement:
    """Evaluates the policies of a stack for each request to the AWS port."""

    def __init__(self, policies: Policies, state_machines: Iterable[str]) -> None:
        """Enforce these policies. `state_machines` are the ARNs of the stack's state machines."""
        self._policies = policies
        self._account = Account(_partition_key, tuple(state_machines))
        self._roles: Mapping[str, Role] = {
            role_access_key(role_arn).id: role for role_arn, role in policies.roles.items()
        }

    def is_by_role(self, request: Request) -> bool:
        """Return whether an access key of a role has signed the request."""
        return signer_of(request) in self._roles

    def refusal(self, request: Request) -> Response | None:
        """Return AWS's error response to a request for a service other than S3, or None.

        The body must be buffered.
        """
        role = self._roles.get(signer_of(request) or "")
        if role is None:
            return None
        call = read_call(request)
        refused = self._refused(role, call)
        if refused is None:
            return None
        status = HTTPStatus.FORBIDDEN if call.service == "lambda" else HTTPStatus.BAD_REQUEST
        return error("AccessDeniedException", _message(role, refused), status)

    def s3_refusal(self, request: Request) -> Response | None:
        """Return S3's error response to a request, or None if its signer may do this.

        The body of a form and of DeleteObjects must be buffered.
        """
        role = self._roles.get(_signer_of_s3(request) or "")
        if role is None:
            return None
        call = read_s3_call(request)
        refused = self._refused(role, call)
        if refused is None and call.operation in _READS_OF_OBJECTS:
            refused = self._refused_missing_object(role, call)
        if refused is None:
            return None
        if call.operation == "DeleteObjects":
            return _nothing_deleted(call)
        return s3_error(HTTPStatus.FORBIDDEN, "AccessDenied", _message(role, refused))

    def _refused(self, role: Role, call: AwsCall) -> Access | None:
        """Return the first access of a call that no policy of the role allows, or None."""
        needed = accesses_of(call.service, call.operation, call.parameters, self._account)
        return next((each for each in needed if not self._policies.allow(role.arn, each)), None)

    def _refused_missing_object(self, role: Role, call: AwsCall) -> Access | None:
        """Return the access that a role lacks to know that an object does not exist, or None.

        Without s3:ListBucket, S3 returns 403 for such an object (Amazon S3 API Reference,
        "GetObject"). A request for an object has no s3:prefix, so a statement with a condition on
        s3:prefix does not count.
        """
        bucket, key = call.parameters["Bucket"], call.parameters["Key"]
        found = s3_backends[ACCOUNT_ID][PARTITION].buckets.get(bucket)
        object_ = found.keys.get(key) if found else None
        if object_ is not None and not isinstance(object_, FakeDeleteMarker):
            return None
        listing = AwsCall("s3", "ListObjectsV2", {"Bucket": bucket})
        return self._refused(role, listing) and Access("s3:GetObject", object_arn(bucket, key))


def read_enforcement(resources: StackResources) -> Enforcement:
    """Read the policies of a created stack.

    Raises UnsupportedPolicy for a policy that cannot be evaluated, and MissingPermission if a
    schedule or a rule may not reach its target.
    """
    policies = read_policies(resources)
    check_targets(resources, policies)
    machines = map(resources.ref, resources.of_type("AWS::StepFunctions::StateMachine"))
    return Enforcement(policies, machines)


def _signer_of_s3(request: Request) -> str | None:
    """Return the access key id of a request, of a presigned URL or of a form."""
    if "Authorization" in request.headers:
        return signer_of(request)
    if is_form_upload(request):
        fields = {name.lower(): value for name, value in request.form.items()}
        credential = fields.get("x-amz-credential", "")
    else:
        credential = request.args.get("X-Amz-Credential", "")
    return credential.partition("/")[0]


def _partition_key(table: str, index: str | None) -> str:
    found = dynamodb_backends[ACCOUNT_ID][REGION].tables.get(table)
    schemas = {each.name: each.schema for each in found.all_indexes()} if found else {}
    schema = schemas.get(index, []) if index else found.schema if found else []
    return next((str(key["AttributeName"]) for key in schema if key["KeyType"] == "HASH"), "")


def _message(role: Role, refused: Access) -> str:
    name = role.arn.rpartition("/")[2]
    return (
        f"User: arn:{PARTITION}:sts::{ACCOUNT_ID}:assumed-role/{name}/{name} is not authorized to"
        f" perform: {refused.action} on resource: {refused.resource} because no identity-based"
        f" policy allows the {refused.action} action"
    )


def _nothing_deleted(call: AwsCall) -> Response:
    """Return the response to a DeleteObjects request in which an object is refused.

    S3 deletes the other objects of the request. Here no object is deleted.
    """
    errors = "".join(
        f"<Error><Key>{escape(each['Key'])}</Key><Code>AccessDenied</Code>"
        "<Message>Access Denied</Message></Error>"
        for each in call.parameters["Delete"]["Objects"]
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{errors}</DeleteResult>'
    )
    return Response(body, content_type="application/xml")
