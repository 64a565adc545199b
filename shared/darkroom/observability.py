"""The one logger, tracer and metrics of a function."""

import warnings

from aws_lambda_powertools import Logger, Metrics, Tracer

# Most invocations have nothing to count, which is no reason for a line in the log.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger = Logger()
# Patching every installed library would import them all at each cold start.
tracer = Tracer(auto_patch=False)
metrics = Metrics()
