"""The jobs of the demo data: their users, templates and prompts, and how they end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from local.api_gateway.web_files import DEMO_USERS

CREDITS = {"demo-ann": 500, "demo-bob": 200, "demo-cy": 100}
# Less than the 900 seconds after which Darkroom cancels a job of this template.
_LONG_RUN_SECONDS = 780


@dataclass(frozen=True, kw_only=True)
class DemoJob:
    """A job of the demo data.

    `faults` are those of its prediction. `end` is its last step: `ended` waits for the end,
    `cancel` cancels it, `again` also runs it again, and `free_slot` leaves it running.
    """

    user: str
    template: str
    parameters: dict[str, Any]
    faults: dict[str, Any] = field(default_factory=dict)
    end: Literal["ended", "cancel", "again", "free_slot"] = "ended"


ANN, BOB, CY = DEMO_USERS
# Their prompts have different colours in the simulated providers (landscape.py).
JOBS = (
    DemoJob(
        user=ANN,
        template="flux-schnell",
        parameters={
            "prompt": "Four mornings in the same valley",
            "num_outputs": 4,
            "aspect_ratio": "3:2",
        },
    ),
    DemoJob(
        user=ANN,
        template="flux-schnell",
        parameters={"prompt": "A quiet valley after the rain", "num_outputs": 4},
        # With this seed, the first of the four files is missing.
        faults={"drop_output": 0.5, "seed": 14},
    ),
    DemoJob(
        user=ANN,
        template="flux-dev",
        parameters={"prompt": "雪山脚下的小木屋，黄昏，水彩画", "aspect_ratio": "2:3"},
    ),
    DemoJob(
        user=ANN,
        template="flux-1.1-pro",
        parameters={"prompt": "A senator as a cartoon villain", "aspect_ratio": "4:5"},
        faults={"flag_sensitive": 1},
    ),
    DemoJob(
        user=ANN,
        template="flux-schnell",
        parameters={
            "prompt": "A road sign with <img src=x onerror=alert(1)>",
            "aspect_ratio": "9:16",
        },
    ),
    DemoJob(
        user=ANN,
        template="stable-diffusion-3.5-large",
        parameters={"prompt": "An orchard seen from a balloon"},
        faults={"fail": 1, "error": "CUDA out of memory. Tried to allocate 2.50 GiB."},
    ),
    DemoJob(
        user=ANN,
        template="flux-schnell",
        parameters={"prompt": "A draft that is not needed any more"},
        faults={"run_seconds": 600},
        end="cancel",
    ),
    DemoJob(
        user=ANN,
        template="wan-2.2-t2v-fast",
        parameters={"prompt": "The sun sets behind the pine hills"},
    ),
    DemoJob(
        user=ANN,
        template="flux-1.1-pro",
        parameters={"prompt": "Mountain lake at dawn, oil on canvas", "aspect_ratio": "16:9"},
        end="again",
    ),
    DemoJob(
        user=ANN,
        template="runway-gen4.5",
        parameters={"prompt": "Fog drifts through a pine forest at sunrise"},
        faults={"run_seconds": _LONG_RUN_SECONDS},
        end="free_slot",
    ),
    DemoJob(
        user=BOB,
        template="flux-2-pro",
        parameters={"prompt": "Terraced rice fields under a new moon"},
    ),
    DemoJob(
        user=BOB,
        template="seedream-4.5",
        parameters={"prompt": "江南清晨，薄雾，远山如黛", "aspect_ratio": "21:9"},
    ),
    DemoJob(
        user=CY,
        template="ideogram-v3-turbo",
        parameters={"prompt": "Travel poster: the hills of the north", "aspect_ratio": "3:4"},
    ),
    DemoJob(
        user=CY,
        template="flux-2-klein-4b",
        parameters={"prompt": "Hills after the last snow", "aspect_ratio": "4:3"},
    ),
)
