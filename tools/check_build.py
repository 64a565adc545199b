"""Check the output of `sam build` before it is deployed.

    python -m tools.check_build DIRECTORY ARCHITECTURE

Every module must have bytecode that Python uses without a check of its source. Packaging changes
the sources' times, which would make other bytecode invalid, and Lambda's file system is read-only.
Every compiled extension must be for the processor of the functions. No function may be larger than
`make sizes` allows.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from tools import sizes

# e_machine in the ELF header (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html).
_MACHINES = {"x86_64": 62, "arm64": 183}
_MACHINE_OFFSET = 18
# PEP 552: bit 0 means that the bytecode has its source's hash, bit 1 that Python checks the hash.
_FLAGS = slice(4, 8)
_UNCHECKED_HASH = (0b01).to_bytes(4, "little")


def faults(directory: Path, architecture: str) -> Iterator[str]:
    """Yield a message for every fault that forbids the deployment of the build."""
    modules, extensions = list(directory.rglob("*.py")), list(directory.rglob("*.so"))
    if not (modules and extensions):
        yield f"{directory}: nothing was built here"
    for module in modules:
        compiled = Path(importlib.util.cache_from_source(str(module)))
        if not compiled.exists() or compiled.read_bytes()[_FLAGS] != _UNCHECKED_HASH:
            yield f"{module}: has no bytecode with an unchecked hash"
    for extension in extensions:
        header = extension.read_bytes()[:64]
        if (
            int.from_bytes(header[_MACHINE_OFFSET : _MACHINE_OFFSET + 2], "little")
            != _MACHINES[architecture]
        ):
            yield f"{extension}: is not compiled for {architecture}"
    if (directory / "template.yaml").exists():
        yield from sizes.too_large(directory)


def main() -> int:
    """Run the command. Returns the exit status: 1 if the build has a fault."""
    found = list(faults(Path(sys.argv[1]), sys.argv[2]))
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
