"""The one logger, tracer and metrics of a function."""

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
# Patching every installed library would import them all at each cold start.
tracer = Tracer(auto_patch=False)
metrics = Metrics()
