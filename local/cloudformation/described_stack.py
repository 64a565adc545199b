"""CloudFormation's description of the running stack: its outputs, parameters and resources.

The local stack is not made by CloudFormation. These responses let the same commands find the names
of its resources as on AWS.
Source: CloudFormation API Reference, "DescribeStacks" and "ListStackResources".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from local.cloudformation.intrinsics import stack_id

_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
_TIME = "2026-01-01T00:00:00Z"
_STATUS = "CREATE_COMPLETE"


def is_for_cloudformation(request: Request) -> bool:
    """Return whether a request is signed for CloudFormation."""
    return "/cloudformation/" in request.headers.get("Authorization", "")


@dataclass(frozen=True)
class DescribedStack:
    """The name, outputs and parameters of a stack, and its physical ids by logical id."""

    name: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    physical_ids: Mapping[str, str]

    def respond(self, request: Request) -> Response | None:
        """Respond to a request about this stack. Returns None for any other request."""
        if request.form.get("StackName") != self.name:
            return None
        match request.form.get("Action"):
            case "DescribeStacks":
                return _response("DescribeStacks", _element("Stacks", _members([self._stack()])))
            case "ListStackResources":
                summaries = (
                    _element("LogicalResourceId", logical_id)
                    + _element("PhysicalResourceId", escape(physical_id))
                    + _element("ResourceStatus", _STATUS)
                    + _element("LastUpdatedTimestamp", _TIME)
                    for logical_id, physical_id in self.physical_ids.items()
                )
                listed = _element("StackResourceSummaries", _members(summaries))
                return _response("ListStackResources", listed)
        return None

    def _stack(self) -> str:
        return (
            _element("StackName", self.name)
            + _element("StackId", stack_id(self.name))
            + _element("CreationTime", _TIME)
            + _element("StackStatus", _STATUS)
            + _element("Outputs", _pairs("Output", self.outputs))
            + _element("Parameters", _pairs("Parameter", self.parameters))
        )


def _response(operation: str, content: str) -> Response:
    body = (
        f'<{operation}Response xmlns="{_NAMESPACE}">'
        f"{_element(f'{operation}Result', content)}</{operation}Response>"
    )
    return Response(body, content_type="text/xml")


def _pairs(kind: str, values: Mapping[str, str]) -> str:
    return _members(
        _element(f"{kind}Key", name) + _element(f"{kind}Value", escape(value))
        for name, value in values.items()
    )


def _members(contents: Iterable[str]) -> str:
    return "".join(_element("member", content) for content in contents)


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"
