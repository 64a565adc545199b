"""Compares each template with its provider's model. The daily function and `make catalog-check`.

A template that its provider does not offer becomes unavailable. Another difference is only
reported, because most jobs of the template still succeed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from darkroom.aws import alarm_topic
from darkroom.catalog.available_templates import available_templates
from darkroom.domain.drift import differences
from darkroom.domain.model_descriptions import ModelDescription
from darkroom.domain.provider_errors import ProviderBusy, ProviderUnavailable
from darkroom.domain.templates import Template
from darkroom.observability import Metric, count, count_for_template, logger
from darkroom.providers import DescribesModels, load_provider
from darkroom.settings import settings
from darkroom.storage import provider_state

# The text of a template in the provider's state. The log and the notification have the whole text.
_STORED_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class CheckedTemplate:
    """A template and the differences from its model.

    `error` says why the provider did not describe the model. It is None if the provider did.
    """

    template: Template
    description: ModelDescription = field(default_factory=ModelDescription)
    differences: tuple[str, ...] = ()
    error: str | None = None

    @property
    def text(self) -> str:
        """The differences, in one text."""
        return " ".join(self.differences)


def check_template(template: Template) -> CheckedTemplate:
    """Compare a template with the model as the provider describes it now."""
    provider = load_provider(template.provider)
    if not isinstance(provider, DescribesModels):
        return CheckedTemplate(template, error="The provider does not describe its models.")
    try:
        description = provider.describe(template)
    except (ProviderBusy, ProviderUnavailable) as error:
        return CheckedTemplate(template, error=f"The provider does not answer: {error!r}")
    except Exception as error:  # noqa: BLE001 (the other templates must be compared)
        logger.exception("template not compared", template=template.code)
        return CheckedTemplate(template, error=f"The check failed: {error!r}")
    characters_max = settings().prompt_characters_max
    found = differences(template, description, prompt_characters_max=characters_max)
    return CheckedTemplate(template, description, found)


def check_available_templates() -> Iterator[CheckedTemplate]:
    """Compare each available template with its model, one after another."""
    return (check_template(template) for template in available_templates())


def check_catalog(*, now: datetime) -> None:
    """Compare all available templates, and report which differ from their models.

    The result is stored in the state of each provider. If a template could not be compared, its
    last result stays. Differences that are new are sent to the alarm topic.
    """
    checked = list(check_available_templates())
    drifting_count, new = 0, dict[str, str]()
    for provider in settings().providers:
        of_provider = [each for each in checked if each.template.provider == provider]
        before = provider_state.read_state(provider).drifting
        drifting = {each.template.code: _report(each, now) for each in of_provider if each.text}
        kept = _kept(before, of_provider)
        provider_state.mark_drift(provider, drifting | kept)
        new |= {code: text for code, text in drifting.items() if before.get(code) != text}
        drifting_count += len(drifting | kept)
    compared_count = sum(each.error is None for each in checked)
    count(Metric.TEMPLATES_CHECKED, compared_count)
    count(Metric.TEMPLATE_DRIFT, drifting_count)
    _log_errors(checked)
    logger.info("catalog checked", templates=compared_count, drifting=drifting_count)
    if new:
        _notify(new)


def _report(checked: CheckedTemplate, now: datetime) -> str:
    """Log and count a template that differs from its model. Return the text to store."""
    template = checked.template
    logger.error("template drifts", template=template.code, differences=checked.differences)
    count_for_template(Metric.TEMPLATE_DRIFT, template.code)
    gone = checked.description.gone
    if gone is not None and provider_state.mark_unavailable(
        template.provider, template.code, gone, now
    ):
        logger.error("template unavailable", provider=template.provider, template=template.code)
    return checked.text[:_STORED_CHARACTERS_MAX]


def _kept(before: Mapping[str, str], checked: Iterable[CheckedTemplate]) -> dict[str, str]:
    """Return the last results of the templates that could not be compared now."""
    failed = {each.template.code for each in checked if each.error is not None}
    return {code: text for code, text in before.items() if code in failed}


def _log_errors(checked: Sequence[CheckedTemplate]) -> None:
    for each in checked:
        if each.error is not None:
            logger.warning("template not compared", template=each.template.code, cause=each.error)


def _notify(drifting: Mapping[str, str]) -> None:
    """Name the templates to the operators. An error is logged: the alarm reports the drift too."""
    lines = [f"{code}: {text}" for code, text in sorted(drifting.items())]
    codes = ", ".join(sorted(drifting))
    try:
        alarm_topic.publish(
            f"{logger.service}: templates drift: {codes}",
            "\n".join(
                [
                    "These templates differ from the models of their providers. The runbook's",
                    "section Template Drift says what to do.",
                    "",
                    *lines,
                ]
            ),
        )
    except Exception:  # noqa: BLE001 (see above)
        logger.exception("operators not notified", templates=sorted(drifting))
