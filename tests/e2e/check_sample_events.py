"""Fill each sample event in, invoke its function on a running stack, and check the effect.

The application reads its environment at import, so the test runs this file in a process of its
own. It writes one line for each event: `ok` or the wrong answer.
"""

from __future__ import annotations

import json
import sys

from local.cloudformation.account import client
from local.description import StackDescription
from tools.events import filled_events
from tools.sample_events import samples


def main() -> None:
    stack = StackDescription.read()
    functions = client("lambda", stack.aws_url)
    for folder, name, prepared in filled_events(stack):
        spec = stack.functions[samples.logical_id(folder)]
        response = functions.invoke(
            FunctionName=spec.name, Payload=json.dumps(prepared.event).encode()
        )
        answer = json.loads(response["Payload"].read())
        is_right = "FunctionError" not in response and prepared.check(answer)
        sys.stdout.write(f"{folder}/{name}: {'ok' if is_right else json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
