"""Lint the OpenAPI document with Redocly and Spectral: python -m tools.lint_openapi.

The exit code is 1 if a linter has a finding, of any severity. Without npm nothing is linted: the
command reports this, and the exit code is 1 if the variable CI is set.
"""

from __future__ import annotations

import os
import sys

from tools.node_tools import NodeMissing, run

_DOCUMENT = "shared/darkroom/api/openapi.json"
_COMMANDS = (
    ("redocly", "lint", _DOCUMENT, "--config", "redocly.yaml", "--format", "stylish"),
    ("spectral", "lint", _DOCUMENT, "--ruleset", ".spectral.yaml", "--fail-severity", "hint"),
)


def main() -> int:
    """Run both linters."""
    failed = []
    for program, *arguments in _COMMANDS:
        try:
            ended = run(program, *arguments)
        except NodeMissing as missing:
            sys.stderr.write(f"lint-openapi: NOT TRIED: {missing}\n")
            return 1 if os.environ.get("CI") else 0
        if ended.returncode:
            sys.stderr.write(ended.stdout + ended.stderr)
            failed.append(program)
    sys.stdout.write(f"lint-openapi: {'findings of ' + ', '.join(failed) if failed else 'clean'}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
