"""AWS on one port.

moto simulates the services, the execution environments simulate Lambda, and a thin layer in front
adds what moto lacks. moto keeps its state in this process, so a process has one AWS endpoint.
moto's interpreter of state machines calls every service at `http://localhost:$MOTO_PORT`. That is
this endpoint, so a workflow reaches the execution environments.
"""

import logging
import os
from collections.abc import Iterable
from contextlib import ExitStack
from http import HTTPStatus
from io import BytesIO
from threading import Lock

import boto3
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from local.api_gateway.http_server import Environ, HttpServer, StartResponse
from local.cloudformation import s3_access
from local.cloudformation.account import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from local.cloudformation.lean_moto import lean_moto
from local.cloudformation.s3_forms import is_form_upload
from local.lambda_runtime.concurrency import ExecutionEnvironments
from local.lambda_runtime.invocations import is_invocation, respond_to_invocation

_ONE_PER_PROCESS = Lock()


class AwsEndpoint:
    """A WSGI application for every AWS service. Lambda responds after `environments` is set."""

    def __init__(self) -> None:
        """Start without execution environments."""
        self.environments: ExecutionEnvironments | None = None
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._dynamodb = Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        request = Request(environ)
        if is_invocation(request.path):
            return self._invoke(request)(environ, start_response)
        if self._is_for_s3(environ, request.path):
            if is_form_upload(request):
                # The form is read here to check its policy, and then moto reads it again.
                environ["wsgi.input"] = BytesIO(request.get_data())
            if refused := s3_access.refusal(request):
                return refused(environ, start_response)
        if request.headers.get("X-Amz-Target", "").startswith("DynamoDB"):
            # In DynamoDB a condition and its write are atomic. moto does not promise that between
            # threads.
            with self._dynamodb:
                return list(self._moto(environ, start_response))
        response: Iterable[bytes] = self._moto(environ, start_response)
        return response

    def _invoke(self, request: Request) -> Response:
        if self.environments is None:
            return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return respond_to_invocation(self.environments, request)

    def _is_for_s3(self, environ: Environ, path: str) -> bool:
        """Return whether moto takes a request for one to S3, its default for an unknown host."""
        if path.startswith("/moto-api/"):
            return False
        host = self._moto.infer_service_region_host(environ, path)
        return host is None or host.startswith("s3.")


class LocalAws:
    """The endpoint and its port. Only one may run in a process."""

    def __init__(self, port: int) -> None:
        """Take the port; 0 means a free port.

        Raises PortTaken, and RuntimeError if another one runs.
        """
        if not _ONE_PER_PROCESS.acquire(blocking=False):
            raise RuntimeError(
                "one process can hold one local AWS at a time: moto's state is the process's"
            )
        try:
            self._server = HttpServer(port)
        except BaseException:
            _ONE_PER_PROCESS.release()
            raise
        self.url = self._server.url
        self._endpoint = AwsEndpoint()
        self._previous_environment: dict[str, str | None] = {}
        self._lean = ExitStack()

    def start(self) -> None:
        """Serve an empty account."""
        # A proxy of this machine must not get requests to the machine's own addresses.
        own = {
            "MOTO_PORT": str(self._server.port),
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
        }
        self._previous_environment = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        default_user_config["lambda"] = {"use_docker": False}
        # moto logs a failed state as an error of its own, but failing is up to the workflow.
        logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
        _reset_moto()
        self._lean.enter_context(lean_moto())
        # moto makes its clients from boto3's shared session in many threads at once. The first
        # client builds the shared parts, which is not thread-safe.
        boto3.client(
            "lambda",
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        )
        self._server.serve(self._endpoint)

    def serve_invocations(self, environments: ExecutionEnvironments) -> None:
        """Run Lambda's invocations in these execution environments from now on."""
        self._endpoint.environments = environments

    def stop(self) -> None:
        """Release the port and delete the account."""
        self._server.stop()
        self._lean.close()
        _reset_moto()
        for name, value in self._previous_environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _ONE_PER_PROCESS.release()


def _reset_moto() -> None:
    BackendDict.reset()
    reset_model_data()
