"""The description of the running stack, for commands in other processes.

`make run` writes it, and `make invoke`, `make events` and `make sam-local` read it.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from local.cloudformation.account import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from local.lambda_runtime.functions import FunctionSpec

# The folder of the description and of the files for `sam local`. Another folder separates two
# stacks of one checkout.
DIRECTORY = Path(os.environ.get("LOCAL_FILES", ".aws-sam"))
PATH = DIRECTORY / "stack.json"


class NoStack(Exception):
    """No local stack runs. The message has the remedy."""


@dataclass(frozen=True, kw_only=True)
class StackDescription:
    """A running stack: its URLs, and its functions by logical id.

    `is_simulated`: whether Replicate is simulated, so that predictions cost nothing.
    """

    api_url: str
    aws_url: str
    replicate_url: str
    is_simulated: bool
    process_id: int
    functions: dict[str, FunctionSpec]
    # The administrator's access key.
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = field(default=SECRET_ACCESS_KEY, repr=False)

    def write(self, path: Path = PATH) -> None:
        """Write the description for this user only: it has the stack's local credentials."""
        write_private(path, asdict(self))

    def remove(self, path: Path = PATH) -> None:
        """Delete the description, unless another stack has replaced it."""
        if path.is_file() and json.loads(path.read_text())["process_id"] == self.process_id:
            path.unlink()

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """Read the description of the running stack. Raises NoStack if no stack runs."""
        try:
            document = json.loads((path or PATH).read_text())
        except FileNotFoundError:
            raise NoStack(
                "No local stack runs. Start it with `make run` in another terminal."
            ) from None
        if not _accepts_connections(document["aws_url"]):
            raise NoStack(
                "The local stack has ended. Start it again with `make run` in another terminal."
            )
        functions = {name: _spec(spec) for name, spec in document["functions"].items()}
        return cls(**{**document, "functions": functions})


def write_private(path: Path, document: object) -> None:
    """Write a JSON document that only this user can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(json.dumps(document, indent=2, default=str) + "\n")


def _accepts_connections(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError:
        return False
    return True


def _spec(document: dict[str, Any]) -> FunctionSpec:
    return FunctionSpec(
        **{
            **document,
            "task_root": Path(document["task_root"]),
            "layers": tuple(Path(layer) for layer in document["layers"]),
        }
    )
