"""Check, build and deploy a stack.

    python -m tools.deployment check     Check the region, the credentials and the parameters.
    python -m tools.deployment build     Build for AWS.
    python -m tools.deployment deploy    Check again, and deploy the build.

The variable CONFIG names an environment of samconfig.toml. PARAMETERS has Name=value pairs, and
STACK the name of another stack.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tools.deployment.commands import build_for_aws, check, deploy
from tools.deployment.refusals import DeploymentRefused
from tools.deployment.settings import read_deployment


def main() -> int:
    """Run the command. Returns the exit status."""
    try:
        deployment = read_deployment(
            os.environ.get("CONFIG", "dev"),
            os.environ.get("PARAMETERS", ""),
            os.environ.get("STACK", ""),
        )
        match sys.argv[1:]:
            case ["check"]:
                sys.stdout.write(f"{check(deployment).summary()}\n")
            case ["build"]:
                build_for_aws(deployment)
            case ["deploy"]:
                deploy(check(deployment))
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except DeploymentRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
