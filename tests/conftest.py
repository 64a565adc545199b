"""What every test may ask for: an environment, AWS's stand-in with the template's own table, and the workflow as it will be deployed."""

import os

import pytest
from hypothesis import HealthCheck, settings

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "TABLE_NAME": "darkroom-test",
    "MEDIA_BUCKET": "darkroom-test-media",
    "EVENT_BUS_NAME": "darkroom-test",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:darkroom-test-generation",
    "REPLICATE_BASE_URL": "http://127.0.0.1:9/v1",
    "REPLICATE_TOKEN_SECRET": "replicate-token",
    "REPLICATE_WEBHOOK_SECRET": "replicate-webhook",
    "DELIVERY_HOSTS": "127.0.0.1",
    "PRIVATE_HOSTS": "127.0.0.1",
    "TOKEN_USE": "id",
    "PROVIDERS": "replicate,runway,stable_diffusion",
    "PUBLIC_URL": "http://127.0.0.1:9",
    "POWERTOOLS_SERVICE_NAME": "darkroom",
    "POWERTOOLS_METRICS_NAMESPACE": "Darkroom",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "AWS_XRAY_SDK_ENABLED": "false",
}
# Settings are read when a module is first imported, so they must stand before any test module is.
os.environ.update(ENVIRONMENT)
for variable in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
    os.environ.pop(variable, None)

# No test is timed: a busy machine is no reason to fail.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

pytest_plugins = ["tests.aws", "tests.reports"]

LONGEST = "test_chaos.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest and mostly waits, so that nobody has to wait for it at the end."""
    items.sort(key=lambda item: item.path.name != LONGEST)
