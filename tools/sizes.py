"""Print the unzipped size of each built function with its layers, the largest first.

    python -m tools.sizes DIRECTORY

Lambda refuses a function of more than 250 MB, unzipped and with its layers
(docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). The limit here leaves room for
new versions of packages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

FUNCTION_BYTES_MAX = 200_000_000
_MEGABYTE = 1_000_000


def function_sizes(directory: Path) -> dict[str, dict[str, int]]:
    """Return the bytes of the parts of each function in a build: its code and its layers."""
    template = yaml_parse((directory / "template.yaml").read_text())
    resources, common = template["Resources"], template.get("Globals", {}).get("Function", {})
    sizes = {
        name: _bytes_in(directory / uri)
        for name, resource in resources.items()
        if (uri := _uri(resource["Properties"]))
    }
    return {
        name: {part: sizes[part] for part in (name, *_layers(common, resource["Properties"]))}
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def too_large(directory: Path) -> Iterator[str]:
    """Yield a message for every function above FUNCTION_BYTES_MAX."""
    for name, parts in function_sizes(directory).items():
        if (size := sum(parts.values())) > FUNCTION_BYTES_MAX:
            limit = FUNCTION_BYTES_MAX // _MEGABYTE
            yield f"{name}: {size / _MEGABYTE:.1f} MB with its layers, more than {limit} MB"


def table(directory: Path) -> Iterator[str]:
    """Yield a line for each function: its size in MB (1,000,000 bytes), and those of its parts."""
    sizes = function_sizes(directory)
    for name, parts in sorted(sizes.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        listed = ", ".join(f"{part} {size / _MEGABYTE:.1f}" for part, size in parts.items())
        yield f"{sum(parts.values()) / _MEGABYTE:6.1f} MB  {name} ({listed})"


def _uri(properties: dict[str, Any]) -> str | None:
    return properties.get("CodeUri") or properties.get("ContentUri")


def _layers(common: dict[str, Any], properties: dict[str, Any]) -> list[str]:
    """Return the names of a function's layers: the common ones and its own."""
    layers = [*common.get("Layers", []), *properties.get("Layers", [])]
    return [layer["Ref"] for layer in layers]


def _bytes_in(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def main() -> int:
    """Run the command. Returns the exit status: 1 if a function is too large."""
    directory = Path(sys.argv[1])
    sys.stdout.writelines(f"{line}\n" for line in table(directory))
    found = list(too_large(directory))
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
