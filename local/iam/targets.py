"""Checks that schedules and rules may reach their targets. On AWS, they would fail silently.

Source: EventBridge User Guide, "Using resource-based policies for Amazon EventBridge", and
EventBridge Scheduler User Guide, "Setting up the execution role".
"""

from collections.abc import Iterator

from local.iam.policies import Access
from local.iam.roles import Policies, StackResources

_EVENTS = "events.amazonaws.com"


class MissingPermission(Exception):
    """A schedule or a rule of the template may not reach its target. The message names both."""


def check_targets(resources: StackResources, policies: Policies) -> None:
    """Raise MissingPermission if a schedule or a rule may not reach one of its targets.

    Only rules with targets in SQS and schedules of functions are checked.
    """
    for logical_id, target_arn in _forbidden_targets(resources, policies):
        raise MissingPermission(f"{logical_id} may not reach {target_arn}: no policy allows it.")


def _forbidden_targets(resources: StackResources, policies: Policies) -> Iterator[tuple[str, str]]:
    for logical_id, properties in resources.of_type("AWS::Scheduler::Schedule").items():
        target = properties["Target"]
        access = Access("lambda:InvokeFunction", target["Arn"])
        if ":lambda:" in target["Arn"] and not policies.allow(target["RoleArn"], access):
            yield logical_id, target["Arn"]
    for logical_id, properties in resources.of_type("AWS::Events::Rule").items():
        source = {"aws:sourcearn": (resources.attribute(logical_id, "Arn"),)}
        for target in properties.get("Targets", []):
            for queue in (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn", "")):
                access = Access("sqs:SendMessage", queue, source)
                if ":sqs:" in queue and not policies.allow_service(_EVENTS, access):
                    yield logical_id, queue
