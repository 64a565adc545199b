"""Check what `sam build` made, before it is deployed: python -m tools.check_build DIRECTORY ARCHITECTURE.

Every module must have compiled code that is never checked against its source's time, because packaging changes times and Lambda cannot
write compiled code itself; and every compiled extension must be for the processor that the functions run on.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

# ELF header: e_machine (refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html).
_MACHINES = {"x86_64": 62, "arm64": 183}
_MACHINE_OFFSET = 18
# PEP 552: bit 0 says that the file is bound to its source by a hash, bit 1 that the hash is looked at.
_FLAGS = slice(4, 8)
_UNCHECKED_HASH = (0b01).to_bytes(4, "little")


def faults(directory: Path, architecture: str) -> Iterator[str]:
    """Name everything that must not be deployed like this."""
    modules, extensions = list(directory.rglob("*.py")), list(directory.rglob("*.so"))
    if not (modules and extensions):
        yield f"{directory}: nothing was built here"
    for module in modules:
        compiled = Path(importlib.util.cache_from_source(str(module)))
        if not compiled.exists() or compiled.read_bytes()[_FLAGS] != _UNCHECKED_HASH:
            yield f"{module}: has no unchecked compiled code"
    for extension in extensions:
        header = extension.read_bytes()[:64]
        if (
            int.from_bytes(header[_MACHINE_OFFSET : _MACHINE_OFFSET + 2], "little")
            != _MACHINES[architecture]
        ):
            yield f"{extension}: is not for {architecture}"


def main() -> int:
    """Run as a command."""
    found = list(faults(Path(sys.argv[1]), sys.argv[2]))
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
