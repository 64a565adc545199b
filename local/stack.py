"""The whole system on one machine, made from the template that `sam build` writes.

The template is the only source of the routes, authorizers, functions, environment variables,
tables, queues, schedules and the workflow. A change of the template changes the local stack.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from local.api_gateway.callback_receiver import CallbackReceiver
from local.api_gateway.http_api import HttpApi, read_http_api
from local.api_gateway.http_server import HOST, HttpServer, listen
from local.api_gateway.seen_accounts import SeenAccounts
from local.api_gateway.token_endpoint import TokenEndpoint, TokenIssuer, TokenRequest
from local.api_gateway.web_files import WebFiles
from local.api_gateway.webhook_endpoint import WebhookEndpoint
from local.cloudformation.account import STACK_NAME, Client, client
from local.cloudformation.aws_endpoint import LocalAws, RequestWatcher
from local.cloudformation.described_stack import DescribedStack
from local.cloudformation.queues import Pollers, poller_clients, read_mappings
from local.cloudformation.resources import Resources
from local.cloudformation.schedules import ScheduleRunner, read_schedules
from local.cloudformation.seeding import (
    LOCAL_STABLE_DIFFUSION_LOGIN,
    fill_secrets,
    local_parameters,
)
from local.cloudformation.state_machines import stop_executions
from local.cloudformation.template import read_template, translate
from local.description import StackDescription
from local.iam.enforcement import read_enforcement
from local.lambda_runtime.concurrency import ExecutionEnvironments
from local.lambda_runtime.execution_environment import InvocationResponse, emulator
from local.lambda_runtime.functions import FunctionSpec, read_functions
from local.lambda_runtime.runtime_directory import install_runtime
from local.real_replicate import RealReplicate
from local.simulators.common.server import Simulator
from local.simulators.replicate import SimulatedReplicate
from local.simulators.runway import SimulatedRunway
from local.simulators.stable_diffusion import SimulatedStableDiffusion


class LocalStack:
    """A running stack. Its context manager stops it. A process can run one stack at a time."""

    def __init__(
        self,
        build_dir: Path = Path(".aws-sam/local"),
        *,
        host: str = HOST,
        api_port: int = 0,
        aws_port: int = 0,
        replicate_port: int = 0,
        webhook_port: int = 0,
        parameters: Mapping[str, str] | None = None,
        real_replicate: RealReplicate | None = None,
        base_path: str = "",
        web_dir: Path = Path("web"),
        runtime_dir: Path = Path(".aws-sam/runtime"),
        log_dir: Path = Path(".aws-sam/logs"),
    ) -> None:
        """Start everything. Port 0 means a free port.

        The servers listen on 127.0.0.1. With another address of this machine as `host`, the
        simulated providers listen there, and the API and AWS listen there, too. Every URL then has
        `host`. Containers can reach the address of their bridge, but not 127.0.0.1.

        `parameters` are values of the template's parameters. They override the local values.
        `real_replicate` replaces the simulated Replicate. Then `replicate_url` is its URL. If it
        has a public URL, `webhook_url` is the only port to which that URL may lead.
        `base_path` is the path of PublicUrl, as of a custom domain. `api_url` does not have it.
        The port of the API also serves the gallery, the files of `web_dir`. Each function logs to
        its own file in `log_dir`.

        Raises EmulatorUnavailable if AWS's emulator does not run on this machine. Raises PortTaken
        if a port is in use, FileNotFoundError if there is no build, and Unresolvable for an
        unknown name in the template. Raises UnsupportedPolicy for a policy that cannot be
        evaluated, and MissingPermission if a schedule or a rule may not reach its target.
        """
        emulator()
        self._clients: dict[str, Any] = {}
        self._clients_lock = Lock()
        self._exit_stack = ExitStack()
        with self._exit_stack:
            self._host = host
            self._real_replicate = real_replicate
            self._base_path = base_path
            self._web_dir = web_dir.resolve()
            self._start(
                build_dir.resolve(),
                (api_port, aws_port, replicate_port, webhook_port),
                parameters or {},
                runtime_dir.resolve(),
                log_dir.resolve(),
            )
            self._exit_stack = self._exit_stack.pop_all()

    def __enter__(self) -> Self:
        """Return the running stack."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the stack."""
        self.stop()

    def stop(self) -> None:
        """Stop everything in reverse order. A second call does nothing."""
        self._exit_stack.close()

    def client(self, service: str) -> Client:
        """Return the shared boto3 client of a service."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = client(service, self.aws_url)
            return self._clients[service]

    def token(
        self,
        user: str,
        platform: str | None = None,
        groups: Sequence[str] = (),
        *,
        expires_in_seconds: int = 3600,
        token_use: str = "id",  # noqa: S107
    ) -> str:
        """Sign a token of the local user pool, as `POST /local/token` does.

        Raises pydantic.ValidationError if an argument is invalid.
        """
        request = {
            "user": user,
            "platform": platform,
            "groups": list(groups),
            "expires_in_seconds": expires_in_seconds,
            "token_use": token_use,
        }
        return self._issuer.issue(TokenRequest.model_validate(request))

    def physical_id(self, logical_id: str) -> str:
        """Return the value of Ref for a resource of the template."""
        return self._resources.ref(logical_id)

    def properties_of(self, resource_type: str) -> Mapping[str, dict[str, Any]]:
        """Return the resolved properties of the resources of a type, by logical id."""
        return self._resources.of_type(resource_type)

    def invoke(self, logical_id: str, payload: bytes) -> InvocationResponse:
        """Invoke a function once, by its logical id in the template."""
        return self._environments.invoke(self._resources.ref(logical_id), payload)

    def fire_schedule(self, logical_id: str) -> InvocationResponse:
        """Invoke a scheduled function now, by its logical id, and return its response.

        Raises LookupError if the function has no schedule.
        """
        return self._schedule_runner.fire(self._resources.ref(logical_id))

    def kill_execution_environments(self, logical_id: str) -> int:
        """Kill all execution environments of a function, busy or idle. Returns their number."""
        return self._environments.kill(self._resources.ref(logical_id))

    def watch_table(self, watcher: RequestWatcher | None) -> None:
        """Call the watcher around each request to DynamoDB from now on. None ends this."""
        self._aws.watch(watcher)

    def describe(self) -> StackDescription:
        """Return the description of this stack, for commands in other processes."""
        return StackDescription(
            api_url=self.api_url,
            aws_url=self.aws_url,
            replicate_url=self.replicate_url,
            is_simulated=self._real_replicate is None,
            process_id=os.getpid(),
            functions={spec.logical_id: spec for spec in self._functions.values()},
        )

    @property
    def functions(self) -> Mapping[str, FunctionSpec]:
        """The functions of the stack, by physical name."""
        return self._functions

    def _start(
        self,
        build_dir: Path,
        ports: tuple[int, int, int, int],
        parameters: Mapping[str, str],
        runtime_dir: Path,
        log_dir: Path,
    ) -> None:
        api_port, aws_port, replicate_port, webhook_port = ports
        template = read_template(build_dir)
        api_server = self._stop_later(HttpServer(api_port, self._host), HttpServer.stop)
        aws = self._aws = self._stop_later(LocalAws(aws_port, self._host), LocalAws.stop)
        self.api_url, self.aws_url = api_server.url, aws.url
        replicate = self._real_replicate or self._simulated_replicate(replicate_port)
        self.replicate_url = replicate.base_url
        self.runway_url = self._start_simulator(SimulatedRunway(host=self._host)).base_url
        self.stable_diffusion_url = self._start_simulator(
            SimulatedStableDiffusion(login=LOCAL_STABLE_DIFFUSION_LOGIN, host=self._host)
        ).base_url

        aws.start()
        values = local_parameters(
            template,
            api_url=self.api_url + self._base_path,
            replicate_url=self.replicate_url,
            runway_url=self.runway_url,
            stable_diffusion_url=self.stable_diffusion_url,
        )
        if self._real_replicate:
            values |= self._real_replicate.parameters
        values |= parameters
        self._resources = Resources(
            translate(template, values),
            values,
            stack_name=STACK_NAME,
            build_dir=build_dir,
            api_url=self.api_url,
            client=self.client,
        )
        self._resources.create()
        aws.enforce(read_enforcement(self._resources))
        aws.describe(
            DescribedStack(
                STACK_NAME, self._resources.outputs(), values, self._resources.physical_ids
            )
        )
        aws.serve_real_secrets(
            fill_secrets(self._resources, self.client("secretsmanager"), replicate)
        )
        variables = self._real_replicate.environment if self._real_replicate else {}
        self._functions = read_functions(self._resources, build_dir, self.aws_url, variables)

        log_dir.mkdir(parents=True, exist_ok=True)
        self._environments = self._stop_later(
            ExecutionEnvironments(
                self._functions, runtime_dir=install_runtime(runtime_dir), log_dir=log_dir
            ),
            ExecutionEnvironments.close,
        )
        self._stop_later(self.client("stepfunctions"), stop_executions)
        aws.serve_invocations(self._environments)
        api = self._stop_later(
            read_http_api(
                self._resources, self._environments, self.aws_url, base_path=self._base_path
            ),
            HttpApi.close,
        )
        seen = SeenAccounts.of_stack(self.client("dynamodb"), self._resources, self._functions)
        self._issuer = TokenIssuer(next(iter(api.authorizers.values())), seen)
        gallery = WebFiles(
            api, root=self._web_dir, has_route=api.has_route, bucket_origin=self.aws_url
        )
        api_server.serve(CallbackReceiver(TokenEndpoint(self._issuer, gallery)))
        self.webhook_url: str | None = None
        if self._real_replicate and self._real_replicate.public_url:
            webhook_server = self._stop_later(HttpServer(webhook_port), HttpServer.stop)
            webhook_server.serve(WebhookEndpoint(api))
            self.webhook_url = webhook_server.url

        mappings = read_mappings(self._resources, self.client("sqs"))
        clients = poller_clients(mappings, self._functions, self.aws_url)
        pollers = self._stop_later(Pollers(mappings, self._environments, clients), Pollers.stop)
        self._schedule_runner = self._stop_later(
            ScheduleRunner(read_schedules(self._resources), self._environments), ScheduleRunner.stop
        )
        pollers.start()
        self._schedule_runner.start()

    def _simulated_replicate(self, port: int) -> SimulatedReplicate:
        # If the port is in use, werkzeug's server exits the process. So check the port first.
        listen(port, self._host).close()
        return self._start_simulator(SimulatedReplicate(port=port, host=self._host))

    def _start_simulator[Part: Simulator](self, simulator: Part) -> Part:
        simulator.start()
        return self._stop_later(simulator, Simulator.stop)

    def _stop_later[Part](self, part: Part, end: Callable[[Part], None]) -> Part:
        self._exit_stack.callback(end, part)
        return part
