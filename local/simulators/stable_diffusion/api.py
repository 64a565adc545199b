"""The WebUI's API under `/sdapi/v1`.

A request waits until its run ends. The graphics card runs one request at a time.
"""

import base64
import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin
from werkzeug.routing import Rule
from werkzeug.wrappers import Response

from local.simulators.common.control import fault_rule
from local.simulators.common.image_transform import blend
from local.simulators.common.landscape import draw_landscape
from local.simulators.common.routing import JsonRequest, Router, json_response
from local.simulators.stable_diffusion import problems
from local.simulators.stable_diffusion.faults import Faults
from local.simulators.stable_diffusion.inputs import SAMPLERS, init_image, parse_run_input

_SEED_MAX = 2**32 - 1


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
        self._card = threading.Lock()
        self._stopping = threading.Event()
        self._router = Router(
            [
                Rule("/sdapi/v1/txt2img", methods=["POST"], endpoint=self._txt2img),
                Rule("/sdapi/v1/img2img", methods=["POST"], endpoint=self._img2img),
                Rule("/sdapi/v1/samplers", methods=["GET"], endpoint=self._samplers),
                fault_rule(self.faults),
                Rule("/sim/runs", methods=["GET"], endpoint=self._runs),
            ],
            problems.error_response,
        )

    def respond(self, request: JsonRequest) -> Response:
        """Return the response. Raises ConnectionAbortedError if a fault drops the response."""
        if request.path.startswith("/sdapi/"):
            if self.faults.happens("unavailable"):
                return problems.bad_gateway().response()
            sent = request.authorization
            if self.login and (sent is None or f"{sent.username}:{sent.password}" != self.login):
                return problems.unauthorized().response()
        return self._router.respond(request)

    def stop(self) -> None:
        """End all running and waiting runs at once."""
        self._stopping.set()

    def _txt2img(self, request: JsonRequest) -> Response:
        return self._run("txt2img", parse_run_input(request.document()), ())

    def _img2img(self, request: JsonRequest) -> Response:
        run_input = parse_run_input(request.document())
        return self._run("img2img", run_input, (init_image(run_input),))

    def _run(self, kind: str, run_input: dict[str, Any], sources: Sequence[bytes]) -> Response:
        seed = run_input["seed"] if run_input["seed"] >= 0 else secrets.randbelow(_SEED_MAX)
        with self._card:
            self.runs.append(
                {
                    "kind": kind,
                    "input": {
                        name: value for name, value in run_input.items() if name != "init_images"
                    },
                }
            )
            self._stopping.wait(self.faults.settings.run_seconds)
            if self.faults.happens("out_of_memory"):
                raise problems.out_of_memory()
        if self.faults.happens("lost_answer"):
            raise ConnectionAbortedError
        count = (
            0 if self.faults.happens("no_output") else run_input["batch_size"] * run_input["n_iter"]
        )
        infotexts = [_infotext(run_input, seed + number) for number in range(count)]
        images = [
            _encode(_draw(run_input, seed + number, sources), infotext)
            for number, infotext in enumerate(infotexts)
        ]
        if self.faults.happens("torn_output"):
            images = [base64.b64encode(b"not an image").decode() for _ in images]
        info = {
            "prompt": run_input["prompt"],
            "seed": seed,
            "all_seeds": [seed + number for number in range(count)],
            "infotexts": infotexts,
        }
        return json_response({"images": images, "parameters": run_input, "info": json.dumps(info)})

    def _samplers(self, _request: JsonRequest) -> Response:
        return json_response([{"name": name, "aliases": [], "options": {}} for name in SAMPLERS])

    def _runs(self, _request: JsonRequest) -> Response:
        """Return every run with its input, oldest first."""
        return json_response({"runs": self.runs})


def _draw(run_input: Mapping[str, Any], seed: int, sources: Sequence[bytes]) -> Image.Image:
    landscape = draw_landscape(
        run_input["prompt"], seed, 0, (run_input["width"], run_input["height"])
    )
    return blend(landscape, sources) if sources else landscape


def _encode(image: Image.Image, infotext: str) -> str:
    metadata = PngImagePlugin.PngInfo()
    metadata.add_text("parameters", infotext)
    file = BytesIO()
    image.save(file, "PNG", pnginfo=metadata)
    return base64.b64encode(file.getvalue()).decode()


def _infotext(run_input: Mapping[str, Any], seed: int) -> str:
    return (
        f"{run_input['prompt']}\n"
        f"Negative prompt: {run_input['negative_prompt']}\n"
        f"Steps: {run_input['steps']}, Sampler: {run_input['sampler_name']}, "
        f"CFG scale: {run_input['cfg_scale']}, Seed: {seed}, "
        f"Size: {run_input['width']}x{run_input['height']}"
    )
