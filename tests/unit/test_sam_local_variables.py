"""The SAM CLI resolves the variables of every function as the deployment does.

`sam local` replaces a reference to a resource by the resource's logical id, and everything that it
cannot resolve by an empty text.
"""

from __future__ import annotations

from functools import cache

import pytest
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.local.lambdafn.env_vars import EnvironmentVariables

from darkroom.settings import read_settings
from tests.aws import ROOT, TEMPLATE
from tests.unit.resolved_template import resolved

# The SAM CLI uses a deprecated validator.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# The names of resources, which only the deployment knows. A file for --env-vars sets them.
NAMES_OF_THE_DEPLOYMENT = {
    "ADMIN_MFA_USER_POOL",
    "CALLBACK_QUEUE_URL",
    "EVENT_BUS_NAME",
    "MEDIA_BUCKET",
    "POWERTOOLS_SERVICE_NAME",
    "PUBLIC_URL",
    "REPLICATE_TOKEN_SECRET",
    "REPLICATE_WEBHOOK_SECRET",
    "RUNWAY_KEY_SECRET",
    "STABLE_DIFFUSION_LOGIN_SECRET",
    "STATE_MACHINE_ARN",
    "TABLE_NAME",
}
PROVIDERS = {
    "RunwayBaseUrl": "https://runway.example",
    "StableDiffusionUrl": "https://webui.example",
}


@cache
def variables_of_sam_local(parameters: tuple[tuple[str, str], ...]) -> dict[str, dict[str, str]]:
    """Return the variables that `sam local invoke` gives to each function."""
    stacks, _ = SamLocalStackProvider.get_stacks(
        str(ROOT / "template.yaml"), parameter_overrides=dict(parameters)
    )
    return {
        function.name: _resolved(function.name, (function.environment or {})["Variables"])
        for function in SamFunctionProvider(stacks).get_all()
    }


def _resolved(name: str, variables: dict[str, object]) -> dict[str, str]:
    environment = EnvironmentVariables(
        name, variables=variables, shell_env_values={}, override_values={}
    )
    found: dict[str, str] = environment.resolve()
    return {variable: found[variable] for variable in variables}


def variables_of_the_deployment(parameters: dict[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: resource["Properties"]["Environment"]["Variables"]
        for name, resource in resolved(parameters).items()
        if resource["Type"] == "AWS::Lambda::Function"
    }


@pytest.mark.parametrize("parameters", [{}, PROVIDERS, {"TableName": "restored"}])
def test_sam_local_resolves_every_variable_as_the_deployment(parameters: dict[str, str]) -> None:
    local = variables_of_sam_local(tuple(parameters.items()))
    deployed = variables_of_the_deployment(parameters)

    assert local.keys() == deployed.keys()
    for function, variables in deployed.items():
        assert local[function].keys() == variables.keys()
        for variable, value in variables.items():
            if variable in NAMES_OF_THE_DEPLOYMENT:
                assert bool(local[function][variable]) == bool(value), f"{function}: {variable}"
            else:
                assert local[function][variable] == value, f"{function}: {variable}"


def test_the_settings_can_be_read_in_sam_local() -> None:
    for function, variables in variables_of_sam_local(tuple(PROVIDERS.items())).items():
        settings = read_settings(variables)

        assert settings.providers == ("replicate", "runway", "stable_diffusion"), function
        assert settings.delivery_hosts, function


def test_every_default_is_a_text_that_sam_local_passes_on() -> None:
    """The SAM CLI does not resolve a reference to a parameter with a decimal default."""
    assert [
        name
        for name, parameter in TEMPLATE["Parameters"].items()
        if isinstance(parameter["Default"], float)
    ] == []
