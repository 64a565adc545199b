"""The tracer of each function that calls AWS.

Its library, the X-Ray SDK, takes most of the import time of `observability`, so it has a module of
its own: the function unknown_path does not import it.
"""

from __future__ import annotations

from aws_lambda_powertools import Tracer

# Automatic patching imports every installed library at each cold start.
tracer = Tracer(auto_patch=False)
