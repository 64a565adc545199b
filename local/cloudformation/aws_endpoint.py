"""AWS on one port.

moto simulates the services, and the execution environments simulate Lambda. A thin layer in front
of moto adds the checks that moto lacks. moto's state belongs to the process, so a process has one
AWS endpoint. moto's interpreter of state machines calls every service at
`http://localhost:$MOTO_PORT`. That is this endpoint, so a workflow can invoke the functions.
"""

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from http import HTTPStatus
from io import BytesIO
from threading import Lock

import boto3
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from local.api_gateway.http_server import HOST, Environ, HttpServer, StartResponse
from local.cloudformation import aws_access, s3_access, s3_cors
from local.cloudformation.account import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from local.cloudformation.described_stack import DescribedStack, is_for_cloudformation
from local.cloudformation.lean_moto import lean_moto
from local.cloudformation.message_moves import message_moves
from local.cloudformation.real_secrets import RealSecrets
from local.cloudformation.state_machines import invoke_as_role, start_by_alias
from local.cloudformation.task_failures import task_failures
from local.iam.enforcement import Enforcement
from local.lambda_runtime.concurrency import ExecutionEnvironments
from local.lambda_runtime.invocations import is_invocation, respond_to_invocation

_ONE_PER_PROCESS = Lock()
# Called with the operation and the body of a request to DynamoDB, which runs within the context.
type RequestWatcher = Callable[[str, bytes], AbstractContextManager[None]]


class AwsEndpoint:
    """A WSGI application for every AWS service.

    Until `environments` is set, invocations get the status 503. `stack` describes the stack that
    runs here. Without `enforcement`, each role may do everything.
    """

    def __init__(self) -> None:
        """Start without execution environments and without a stack."""
        self.environments: ExecutionEnvironments | None = None
        self.enforcement: Enforcement | None = None
        self.real_secrets: RealSecrets | None = None
        self.watch: RequestWatcher | None = None
        self.stack: DescribedStack | None = None
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._dynamodb = Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        request = Request(environ)
        if refused := aws_access.foreign_host(request):
            return refused(environ, start_response)
        if not is_invocation(request.path) and self._is_for_s3(environ, request.path):
            return self._respond_as_s3(request, environ, start_response)
        start_response = _with_cors_headers(start_response, [])
        if own := aws_access.refusal(request) or self._denial(request, environ):
            return own(environ, start_response)
        if own := self._own_response(request, environ):
            return own(environ, start_response)
        if request.headers.get("X-Amz-Target", "").startswith("DynamoDB"):
            # DynamoDB checks a condition and writes atomically. moto does not do this when
            # threads run at once, so only one DynamoDB request runs at a time.
            with self._dynamodb, self._watched(request, environ):
                return list(self._moto(environ, start_response))
        response: Iterable[bytes] = self._moto(environ, start_response)
        return response

    def _denial(self, request: Request, environ: Environ) -> Response | None:
        """Return the error response to a request of a role that no policy allows, or None."""
        if self.enforcement is None or not self.enforcement.is_by_role(request):
            return None
        # Buffer the body: it names the resource, and moto reads the body again.
        environ["wsgi.input"] = BytesIO(request.get_data(parse_form_data=False))
        denial = self.enforcement.refusal(request)
        environ["wsgi.input"].seek(0)
        return denial

    def _own_response(self, request: Request, environ: Environ) -> Response | None:
        """Return the response to a request that moto must not get, or None."""
        if is_invocation(request.path):
            return self._invoke(request)
        if self.stack and is_for_cloudformation(request):
            # Buffer the body: moto reads the form again.
            environ["wsgi.input"] = BytesIO(request.get_data(parse_form_data=False))
            described = self.stack.respond(Request(environ))
            environ["wsgi.input"].seek(0)
            if described:
                return described
        if self.real_secrets is None:
            return None
        # Buffer the body: it names the secret, and moto reads the body again.
        environ["wsgi.input"] = BytesIO(request.get_data())
        return self.real_secrets.response(request)

    def _respond_as_s3(
        self, request: Request, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        if s3_cors.is_preflight(request):
            return s3_cors.preflight_response(request)(environ, start_response)
        start_response = _with_cors_headers(start_response, s3_cors.response_headers(request))
        if request.method == "POST":
            # Buffer the body: the checks below read a form or a list of keys, and then moto reads
            # it again.
            environ["wsgi.input"] = BytesIO(request.get_data())
        refused = s3_access.refusal(request)
        if refused is None and self.enforcement:
            refused = self.enforcement.s3_refusal(request)
        if refused:
            return refused(environ, start_response)
        response: Iterable[bytes] = self._moto(environ, start_response)
        return response

    def _watched(self, request: Request, environ: Environ) -> AbstractContextManager[None]:
        if self.watch is None:
            return nullcontext()
        # Buffer the body: the watcher reads the request, and then moto reads it again.
        body = request.get_data()
        environ["wsgi.input"] = BytesIO(body)
        return self.watch(request.headers["X-Amz-Target"].rpartition(".")[2], body)

    def _invoke(self, request: Request) -> Response:
        if self.environments is None:
            return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return respond_to_invocation(self.environments, request)

    def _is_for_s3(self, environ: Environ, path: str) -> bool:
        """Return whether moto sends a request to S3, its default for an unknown host."""
        if path.startswith("/moto-api/"):
            return False
        host = self._moto.infer_service_region_host(environ, path)
        return host is None or host.startswith("s3.")


class LocalAws:
    """The AWS endpoint and its port. A process can have only one at a time."""

    def __init__(self, port: int, host: str = HOST) -> None:
        """Reserve the port of `host` and of 127.0.0.1. Port 0 means a free port.

        Raises PortTaken if the port is in use, and RuntimeError if the process already has an AWS
        endpoint.
        """
        if not _ONE_PER_PROCESS.acquire(blocking=False):
            raise RuntimeError(
                "A process can run only one local AWS at a time, because moto's state belongs to"
                " the process. Stop the other stack first."
            )
        try:
            self._server = HttpServer(port, host)
        except BaseException:
            _ONE_PER_PROCESS.release()
            raise
        self.url = self._server.url
        self._hosts = ",".join(dict.fromkeys(("localhost", HOST, host)))
        self._endpoint = AwsEndpoint()
        self._previous_environment: dict[str, str | None] = {}
        self._changed_moto = ExitStack()

    def start(self) -> None:
        """Serve an empty account."""
        # A proxy of this machine must not get requests to the machine's own addresses.
        own = {
            "MOTO_PORT": str(self._server.port),
            "NO_PROXY": self._hosts,
            "no_proxy": self._hosts,
        }
        self._previous_environment = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        default_user_config["lambda"] = {"use_docker": False}
        # moto logs an error for each failed state, but the workflow may handle the failure.
        logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
        _reset_moto()
        self._changed_moto.enter_context(lean_moto())
        self._changed_moto.enter_context(start_by_alias())
        self._changed_moto.enter_context(invoke_as_role())
        self._changed_moto.enter_context(message_moves())
        self._changed_moto.enter_context(task_failures())
        # moto makes its clients in many threads, from boto3's shared session. The first client
        # builds the session's shared parts, which is not thread-safe. So make one client here.
        boto3.client(
            "lambda",
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )
        self._server.serve(self._endpoint)

    def serve_invocations(self, environments: ExecutionEnvironments) -> None:
        """Run invocations in these execution environments from now on."""
        self._endpoint.environments = environments

    def serve_real_secrets(self, real_secrets: RealSecrets | None) -> None:
        """Respond to requests for these secrets without moto from now on."""
        self._endpoint.real_secrets = real_secrets

    def watch(self, watcher: RequestWatcher | None) -> None:
        """Call the watcher around each request to DynamoDB from now on. None ends this."""
        self._endpoint.watch = watcher

    def enforce(self, enforcement: Enforcement) -> None:
        """Refuse the requests of roles that no policy allows from now on."""
        self._endpoint.enforcement = enforcement

    def describe(self, stack: DescribedStack) -> None:
        """Describe this stack to CloudFormation's clients from now on."""
        self._endpoint.stack = stack

    def stop(self) -> None:
        """Release the port and delete the account."""
        self._server.stop()
        self._changed_moto.close()
        _reset_moto()
        for name, value in self._previous_environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _ONE_PER_PROCESS.release()


def _with_cors_headers(
    start_response: StartResponse, cors_headers: list[tuple[str, str]]
) -> StartResponse:
    """Return a start_response that replaces moto's CORS headers, which allow every origin."""
    of_moto = ("access-control-", "vary")

    def start(status: str, headers: list[tuple[str, str]], *error: object) -> object:
        own = [pair for pair in headers if not pair[0].lower().startswith(of_moto)]
        return start_response(status, own + cors_headers, *error)

    return start


def _reset_moto() -> None:
    BackendDict.reset()
    reset_model_data()
