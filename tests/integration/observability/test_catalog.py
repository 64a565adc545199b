"""An operator sees a template that differs from its provider's model, and a check that never runs.

The check needs tokens of the providers, so its heartbeat counts compared templates.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import requests

from tests.builders import until
from tests.integration.operator_view import Operator


def change_models(operator: Operator, **changes: Any) -> None:
    url = f"{operator.stack.replicate_url}/sim/models"
    requests.put(url, json=changes, timeout=5).raise_for_status()


def check(operator: Operator) -> None:
    operator.stack.fire_schedule("CheckCatalogFunction")


def test_a_check_that_never_runs_or_compares_nothing(operator: Operator) -> None:
    operator.must_ring("CatalogCheckMissingAlarm")
    operator.set_faults(unauthenticated=1)
    requests.put(f"{operator.stack.runway_url}/faults", json={"unauthenticated": 1}, timeout=5)
    check(operator)
    until(lambda: operator.lines("catalog checked"))
    operator.set_faults()
    requests.put(f"{operator.stack.runway_url}/faults", json={}, timeout=5).raise_for_status()

    check(operator)

    until(lambda: operator.state("CatalogCheckMissingAlarm") == "OK")
    late = timedelta(days=2, hours=1)
    assert operator.state("CatalogCheckMissingAlarm", after=timedelta(days=1)) == "OK"
    assert operator.state("CatalogCheckMissingAlarm", after=late) == "ALARM"


def test_a_model_that_changed(operator: Operator) -> None:
    check(operator)
    until(lambda: operator.counted("TemplatesChecked"))
    assert operator.state("TemplateDriftAlarm") == "OK"

    enum = {"type": "integer", "enum": [5], "default": 5}
    change_models(operator, **{"kwaivgi/kling-v2.1": {"inputs": {"duration": enum}}})
    check(operator)

    operator.must_ring("TemplateDriftAlarm")
    (line,) = operator.lines("template drifts")
    assert line["template"] == "kling-v2.1"
    change_models(operator)
    listed = operator.call("GET", "/admin/providers", "grace", groups=["admin"]).json()
    (replicate,) = [each for each in listed["providers"] if each["name"] == "replicate"]
    assert [each["template"] for each in replicate["drifting_templates"]] == ["kling-v2.1"]
