"""Compare each template with its provider's model, and print the differences.

    REPLICATE_API_TOKEN=r8_… PYTHONPATH=shared python -m tools.check_catalog [STACK]

With a stack, the command asks the providers of the stack with the stack's keys. Otherwise it asks
the providers whose keys or URLs are in the environment, and without any, those of the local stack
that `make run` started. It compares every template of these providers, also one that the stack does
not offer. It creates no predictions and changes nothing. The exit status is 0 if no template
differs, 1 if one differs, and 2 if one could not be compared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from darkroom import catalog
from darkroom.domain.drift import other_defaults
from local.cloudformation import account
from tools import ledger_environment
from tools.provider_environment import (
    ProviderEnvironment,
    environment_of,
    environment_of_stack,
    names_of_variables,
)

if TYPE_CHECKING:
    from darkroom.services.check_catalog import CheckedTemplate


class ProvidersUnknown(Exception):
    """There is no stack and no key. The message has the remedy."""


def check(environment: ProviderEnvironment) -> int:
    """Compare the templates of these providers, and print the result. Return the exit status."""
    ledger_environment.use(environment.variables)
    # These modules read the environment at import.
    from darkroom.aws import secrets  # noqa: PLC0415
    from darkroom.observability import logger  # noqa: PLC0415
    from darkroom.services.check_catalog import check_template  # noqa: PLC0415
    from darkroom.settings import settings  # noqa: PLC0415

    secrets.use_values(environment.secrets)
    # What a provider refuses is in the result.
    logger.setLevel("CRITICAL")
    checked_count = drifting_count = unknown_count = 0
    for template in catalog.templates().values():
        if template.provider not in settings().providers:
            continue
        checked = check_template(template)
        sys.stdout.write("\n".join(_lines(checked)) + "\n")
        checked_count += checked.error is None
        drifting_count += bool(checked.differences)
        unknown_count += checked.error is not None
    sys.stdout.write(
        f"{checked_count} templates compared, {drifting_count} differ from their models, "
        f"{unknown_count} could not be compared.\n"
    )
    if unknown_count or not checked_count:
        return 2
    return 1 if drifting_count else 0


def _lines(checked: CheckedTemplate) -> Iterator[str]:
    template = checked.template
    if checked.error is not None:
        verdict = f"NOT COMPARED. {checked.error}"
    else:
        verdict = "DRIFT" if checked.differences else "ok"
    yield f"{template.code} ({template.provider}, {template.model.partition(':')[0]}): {verdict}"
    yield from (f"    {difference}" for difference in checked.differences)
    for name, value in other_defaults(template, checked.description).items():
        own = template.defaults[name]
        yield f"    {name}: the model's default is {value!r}, the template sends {own!r} (no drift)"
    yield from (f"    {name}: {value}" for name, value in checked.description.facts.items())


def environment_for(stack: str) -> ProviderEnvironment:
    """Return the environment of a stack, of the keys in the environment, or of the local stack.

    Raises ProvidersUnknown.
    """
    providers = sorted({template.provider for template in catalog.templates().values()})
    try:
        if stack:
            return environment_of_stack(stack, providers)
        if own := environment_of(os.environ, providers):
            return own
        port = os.environ.get("AWS_PORT", ledger_environment.PORT)
        local = ledger_environment.local_environment(port)
        os.environ.update(local)
        found = environment_of_stack(account.STACK_NAME, providers)
    except (BotoCoreError, ClientError) as error:
        raise ProvidersUnknown(f"The stack cannot be read: {error}") from None
    except ledger_environment.LedgerUnreadable:
        names = ", ".join(names_of_variables(providers))
        raise ProvidersUnknown(
            f"There is no key, and no local stack at port {port}. Set one of {names}, start the"
            " local stack with `make run`, or name a deployed stack:"
            " make catalog-check STACK=darkroom-prod"
        ) from None
    return ProviderEnvironment({**local, **found.variables})


def main() -> int:
    """Run the command. Returns the exit status."""
    try:
        environment = environment_for("".join(sys.argv[1:2]))
    except ProvidersUnknown as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return check(environment)


if __name__ == "__main__":
    sys.exit(main())
