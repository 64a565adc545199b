"""The values that an operator sets at a deployment: the template's parameters, and the secrets."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from local.cloudformation.account import Client
from local.cloudformation.real_secrets import RealSecrets
from local.cloudformation.resources import Resources
from local.real_replicate import RealReplicate
from local.simulators.replicate import SimulatedReplicate

LOCAL_REPLICATE_TOKEN = "r8_local_token_of_the_simulated_replicate"  # noqa: S105
LOCAL_RUNWAY_KEY = "key_of_the_simulated_runway"
LOCAL_STABLE_DIFFUSION_LOGIN = "darkroom:of_the_simulated_webui"


def local_parameters(
    template: Mapping[str, Any],
    *,
    api_url: str,
    replicate_url: str,
    runway_url: str,
    stable_diffusion_url: str,
) -> dict[str, str]:
    """Return the local values of the parameters that the template declares."""
    simulator = urlsplit(replicate_url).netloc
    hosts = dict.fromkeys((simulator, "127.0.0.1", "localhost", urlsplit(api_url).hostname or ""))
    known = {
        # The local tokens belong to users that the local user pool does not have.
        "AdminMfa": "optional",
        "DeliveryHosts": simulator,
        "PrivateHosts": ",".join(hosts),
        "PublicUrl": api_url,
        "ReplicateBaseUrl": f"{replicate_url}/v1",
        "RunwayBaseUrl": runway_url,
        "RunwayDeliveryHosts": urlsplit(runway_url).netloc,
        "StableDiffusionUrl": stable_diffusion_url,
    }
    return {name: value for name, value in known.items() if name in template.get("Parameters", {})}


def fill_secrets(
    resources: Resources,
    secretsmanager: Client,
    replicate: RealReplicate | SimulatedReplicate,
) -> RealSecrets | None:
    """Put the secrets of the simulated providers into the secrets of the stack.

    The secrets of the real Replicate are not put there. They are returned.
    """
    real = None
    values: dict[str, str | None] = {
        "RunwayKeySecret": LOCAL_RUNWAY_KEY,
        "StableDiffusionLoginSecret": LOCAL_STABLE_DIFFUSION_LOGIN,
    }
    if isinstance(replicate, RealReplicate):
        of_replicate = {
            "ReplicateTokenSecret": replicate.token,
            "ReplicateWebhookSecret": replicate.webhook_secret(),
        }
        real = RealSecrets({resources.ref(name): value for name, value in of_replicate.items()})
    else:
        values["ReplicateTokenSecret"] = LOCAL_REPLICATE_TOKEN
        values["ReplicateWebhookSecret"] = replicate.webhook_secret
    existing = resources.of_type("AWS::SecretsManager::Secret")
    for logical_id, value in values.items():
        if logical_id in existing and value:
            secretsmanager.put_secret_value(SecretId=resources.ref(logical_id), SecretString=value)
    return real
