"""The responses about costs and usage. Each response lists its fields explicitly."""

from __future__ import annotations

from datetime import date

from darkroom.domain.costs import usd_of
from darkroom.domain.templates import Template
from darkroom.domain.usage import AccountUsage, TemplateSpend
from darkroom.schemas.responses import TemplateResponse
from darkroom.schemas.usage_responses import (
    AccountUsageResponse,
    CheckedResponse,
    CostResponse,
    TemplateSpendResponse,
)
from darkroom.schemas.views import template_response, time_text


def priced_template_response(template: Template) -> TemplateResponse:
    """Build the response for a template as administrators see it."""
    return {
        **template_response(template),
        "cost_usd": cost_response(template),
        "checked": checked_response(template),
    }


def checked_response(template: Template) -> CheckedResponse | None:
    """Build the response for the source of a template's parameters."""
    checked = template.checked
    if checked is None:
        return None
    return {"source": checked.source, "checked_on": checked.checked_on.isoformat()}


def cost_response(template: Template) -> CostResponse:
    """Build the response for the cost of a template."""
    cost = template.cost_usd
    return {
        "per_output": None if cost.per_output is None else float(cost.per_output),
        "per_second": None if cost.per_second is None else float(cost.per_second),
        "seconds_parameter": cost.seconds_parameter,
        "tiers": [{"when": dict(each.when), "usd": float(each.usd)} for each in cost.tiers],
        "multipliers": [
            {"when": dict(each.when), "multiplier": float(each.multiplier)}
            for each in cost.multipliers
        ],
        "additions": [
            {
                "when": dict(each.when),
                "amount": float(each.amount),
                "per_item_of": each.per_item_of,
            }
            for each in cost.additions
        ],
        "by_default": usd_of(template.cost_micro_usd(template.defaults)),
        "estimated": cost.estimated,
        "source": cost.source,
        "checked_on": cost.checked_on.isoformat(),
    }


def template_spend_response(spend: TemplateSpend, *, estimated: bool) -> TemplateSpendResponse:
    """Build the response for the spend of one day and template."""
    return {
        "day": spend.day.isoformat(),
        "provider": spend.provider,
        "template": spend.template,
        "predictions": spend.predictions,
        "usd": usd_of(spend.micro_usd),
        "canceled": spend.canceled,
        "canceled_usd": usd_of(spend.canceled_micro_usd),
        "estimated": estimated,
    }


def account_usage_response(usage: AccountUsage, *, first: date, last: date) -> AccountUsageResponse:
    """Build the response for the use of an account on these days, both included."""
    total = usage.between(first, last)
    return {
        "account": usage.account,
        "jobs": total.jobs,
        "credits": total.credits,
        "usd": usd_of(total.micro_usd),
        "audited_at": time_text(usage.audited_at),
    }
