"""The WebUI's API under `/sdapi/v1` and `/internal`.

A request waits until its run ends. The graphics card runs one request at a time. A client that
leaves does not end its run.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from local.simulators.common.control import fault_rule
from local.simulators.common.routing import JsonRequest, Router, json_response
from local.simulators.stable_diffusion import gateway, images, problems
from local.simulators.stable_diffusion.faults import Faults
from local.simulators.stable_diffusion.inputs import init_image, parse_run_input
from local.simulators.stable_diffusion.kinds import KINDS, Kind
from local.simulators.stable_diffusion.tasks import Tasks

_SEED_MAX = 2**32 - 1
_NOT_AN_IMAGE = "bm90IGFuIGltYWdl"
# The WebUI serves the progress without a login.
_PUBLIC_PATHS = ("/sdapi/v1/progress",)


@dataclass(eq=False, kw_only=True)
class Api:
    """The API of a real WebUI, and the routes `/faults` and `/sim` for tests.

    `login` is `user:password`. Without a login the API needs no authentication.
    """

    faults: Faults
    login: str | None
    runs: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the routes."""
        self._tasks = Tasks()
        self._router = Router(
            [
                Rule("/sdapi/v1/txt2img", methods=["POST"], endpoint=self._txt2img),
                Rule("/sdapi/v1/img2img", methods=["POST"], endpoint=self._img2img),
                Rule("/sdapi/v1/samplers", methods=["GET"], endpoint=self._samplers),
                Rule("/sdapi/v1/schedulers", methods=["GET"], endpoint=self._schedulers),
                Rule("/sdapi/v1/options", methods=["GET"], endpoint=self._options),
                Rule("/sdapi/v1/progress", methods=["GET"], endpoint=self._state),
                Rule("/sdapi/v1/interrupt", methods=["POST"], endpoint=self._interrupt),
                Rule("/internal/progress", methods=["POST"], endpoint=self._progress),
                fault_rule(self.faults),
                Rule("/sim/runs", methods=["GET"], endpoint=self._runs),
            ],
            problems.error_response,
        )

    @property
    def kind(self) -> Kind:
        """The kind of server that this simulator is at the moment."""
        return KINDS[self.faults.settings.server]

    def respond(self, request: JsonRequest) -> Response:
        """Return the response. Raises ConnectionAbortedError if a fault drops the response."""
        if request.path.startswith(("/sdapi/", "/internal/")) and (
            refusal := self._gateway_refusal()
        ):
            return refusal
        if request.path.startswith("/sdapi/"):
            if self.faults.happens("no_api"):
                return problems.error_response(NotFound())
            sent = request.authorization
            if (
                self.login
                and request.path not in _PUBLIC_PATHS
                and (sent is None or f"{sent.username}:{sent.password}" != self.login)
            ):
                return problems.unauthorized().response()
        # The body is read before the gateway gives up.
        request.get_data()
        return gateway.respond_through_gateway(
            lambda: self._router.respond(request), self.faults.settings
        )

    def _gateway_refusal(self) -> Response | None:
        if self.faults.happens("unavailable"):
            return problems.gateway_error(HTTPStatus.BAD_GATEWAY).response()
        if self.faults.happens("throttled"):
            return problems.throttled().response()
        if self.faults.happens("login_redirect"):
            return gateway.login_redirect()
        return gateway.login_page() if self.faults.happens("login_page") else None

    def stop(self) -> None:
        """End all running and waiting runs at once."""
        self._tasks.stop()

    def _txt2img(self, request: JsonRequest) -> Response:
        return self._run("txt2img", parse_run_input(request.document(), self.kind), lambda: None)

    def _img2img(self, request: JsonRequest) -> Response:
        run_input = parse_run_input(request.document(), self.kind)
        return self._run("img2img", run_input, lambda: init_image(run_input))

    def _run(
        self, name: str, run_input: dict[str, Any], read_source: Callable[[], bytes | None]
    ) -> Response:
        kind = self.kind
        source = read_source()
        seed = run_input["seed"] if run_input["seed"] >= 0 else secrets.randbelow(_SEED_MAX)
        count = run_input["batch_size"] * run_input["n_iter"]
        run: dict[str, Any] = {
            "kind": name,
            "input": {key: value for key, value in run_input.items() if key != "init_images"},
            "images": 0,
            "interrupted": False,
        }
        with self._tasks.run(name, run_input["force_task_id"] if kind.has_task_ids else None):
            self.runs.append(run)
            if self.faults.happens("no_checkpoint"):
                raise problems.no_checkpoint()
            if self.faults.happens("interrupted"):
                self._tasks.interrupt()
            while run["images"] < count and not run["interrupted"]:
                run["interrupted"] = self._tasks.work(self.faults.settings.run_seconds)
                run["images"] += 1
            is_failed = self.faults.happens("out_of_memory")
            if is_failed and not kind.fails_with_200:
                raise problems.out_of_memory()
        if self.faults.happens("lost_answer"):
            raise ConnectionAbortedError
        made = 0 if self.faults.happens("no_output") else run["images"]
        seeds = [seed + number for number in range(made)]
        infotexts = [images.infotext(run_input, each) for each in seeds]
        encoded = self._encoded(run, run_input, source, infotexts, seeds)
        if is_failed or self.faults.happens("empty_output"):
            encoded = [""] * made
        info = {
            "prompt": run_input["prompt"],
            "seed": seed,
            "all_seeds": seeds,
            "infotexts": infotexts,
        }
        return json_response({"images": encoded, "parameters": run_input, "info": json.dumps(info)})

    def _encoded(
        self,
        run: dict[str, Any],
        run_input: dict[str, Any],
        source: bytes | None,
        infotexts: list[str],
        seeds: list[int],
    ) -> list[str]:
        if self.faults.happens("torn_output"):
            return [_NOT_AN_IMAGE] * len(seeds)
        resize = self.kind.resize(run_input["resize_mode"])
        drawn = [images.draw(run_input, seed, source, resize) for seed in seeds]
        if run["interrupted"]:
            drawn[-1:] = [images.half_drawn(image) for image in drawn[-1:]]
        head = "data:image/png;base64," if self.faults.happens("data_url_output") else ""
        return [
            head + images.encode(image, text) for image, text in zip(drawn, infotexts, strict=True)
        ]

    def _samplers(self, _request: JsonRequest) -> Response:
        return json_response(
            [{"name": name, "aliases": [], "options": {}} for name in self.kind.samplers]
        )

    def _schedulers(self, _request: JsonRequest) -> Response:
        if self.kind.schedulers is None:
            raise NotFound
        return json_response([{"name": name, "label": name} for name in self.kind.schedulers])

    def _options(self, _request: JsonRequest) -> Response:
        return json_response(self.kind.options)

    def _state(self, _request: JsonRequest) -> Response:
        if not self.kind.has_progress:
            raise NotFound
        return json_response(self._tasks.state())

    def _interrupt(self, _request: JsonRequest) -> Response:
        if not self.kind.has_progress:
            raise NotFound
        self._tasks.interrupt()
        return json_response({})

    def _progress(self, request: JsonRequest) -> Response:
        if not self.kind.has_progress:
            raise NotFound
        document = request.document()
        return json_response(
            self._tasks.progress(document.get("id_task") if isinstance(document, dict) else None)
        )

    def _runs(self, _request: JsonRequest) -> Response:
        """Return every run with its input, oldest first."""
        return json_response({"runs": self.runs})
