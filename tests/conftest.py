"""Fixtures of all tests: an environment, a simulated AWS account, and the deployed workflow."""

import gc
import os

from hypothesis import HealthCheck, settings

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "TABLE_NAME": "darkroom-test",
    "MEDIA_BUCKET": "darkroom-test-media",
    "EVENT_BUS_NAME": "darkroom-test",
    "CALLBACK_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/darkroom-test",
    "STATE_MACHINE_ARN": (
        "arn:aws:states:us-east-1:123456789012:stateMachine:darkroom-test-generation"
    ),
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
# Settings are read at the first import of a module, so they are set before any test module loads.
os.environ.update(ENVIRONMENT)
for variable in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
    os.environ.pop(variable, None)

# Tests have no time limit, because a busy machine must not make them fail.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

pytest_plugins = ["tests.aws", "tests.markers", "tests.order", "tests.reports"]


def pytest_collection_finish() -> None:
    """Exempt the objects of all imports from the garbage collector, and let it run less often.

    A million objects live until the end of the process. Without this, each full collection visits
    them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
