"""`make fuzz`: fuzzes the local stack. EXAMPLES is the number of examples for each operation."""

import os
import sys
from pathlib import Path

from local.stack import LocalStack
from tests.fuzz.run import PARAMETERS, fuzz

with LocalStack(Path(".aws-sam/local"), parameters=PARAMETERS) as stack:
    code, _ = fuzz(stack, examples=int(os.environ.get("EXAMPLES", "200")))
sys.exit(code)
