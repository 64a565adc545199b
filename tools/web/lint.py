"""Check or format the code of the gallery, or write its types: python -m tools.web.lint COMMAND.

    check    check the types with TypeScript, and format and rules with Biome
    format   format the code, and apply the safe fixes of Biome
    types    write web/api.d.ts from the OpenAPI document

Without npm nothing is done: the command reports this, and the exit code of `check` and `types` is 1
if the variable CI is set.
"""

from __future__ import annotations

import os
import sys

from tools.node_tools import ROOT, NodeMissing, run

WEB = ROOT / "web"
_TESTS = "../tests/web"
_COMMANDS = {
    "check": (
        ("tsc", "--project", "tsconfig.json"),
        ("biome", "check", "--error-on-warnings", "--max-diagnostics=50", ".", _TESTS),
    ),
    "format": (("biome", "check", "--write", "--linter-enabled=false", ".", _TESTS),),
    "types": (
        ("openapi-typescript", "../shared/darkroom/api/openapi.json", "--output", "api.d.ts"),
    ),
}


def main(command: str) -> int:
    """Run the programs of a command."""
    failed = []
    for program, *arguments in _COMMANDS[command]:
        try:
            ended = run(program, *arguments, folder=WEB)
        except NodeMissing as missing:
            sys.stderr.write(f"web {command}: NOT TRIED: {missing}\n")
            return 1 if os.environ.get("CI") and command != "format" else 0
        if ended.returncode:
            sys.stderr.write(ended.stdout + ended.stderr)
            failed.append(program)
    sys.stdout.write(f"web {command}: {'findings of ' + ', '.join(failed) if failed else 'done'}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
