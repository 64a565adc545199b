"""The catalog contains the promised templates and versions, and refuses misnamed files."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate
from darkroom.domain.errors import NotFound
from darkroom.domain.prices import Prices
from darkroom.providers import load_provider
from tests.aws import ROOT
from tests.unit.catalog_samples import check, sample_parameters

PRICES = Prices(image=10, video=50, high_quality_multiplier=Decimal("1.5"))
IMAGE_TEMPLATES = {
    "background-remover",
    "flux-1.1-pro",
    "flux-2-klein-4b",
    "flux-2-pro",
    "flux-dev",
    "flux-kontext-pro",
    "flux-schnell",
    "gpt-image-2",
    "ideogram-4-5",
    "ideogram-v3-turbo",
    "idm-vton",
    "nano-banana-2",
    "nano-banana-pro",
    "real-esrgan",
    "recraft-v4",
    "sd-webui",
    "sd-webui-img2img",
    "sdxl",
    "seedream-4.5",
    "stable-diffusion-3.5-large",
    "topaz-image-upscale",
}
VIDEO_TEMPLATES = {
    "hailuo-02",
    "hailuo-2.3",
    "hailuo-2.3-fast",
    "kling-v2.1",
    "kling-v3-video",
    "runway-gen4-turbo",
    "runway-gen4.5",
    "seedance-2.0-fast",
    "veo-3.1",
    "veo-3.1-fast",
    "wan-2.2-i2v-fast",
    "wan-2.2-t2v-fast",
}


def test_the_catalog_contains_the_promised_templates() -> None:
    templates = catalog.templates().values()

    images = {template.code for template in templates if template.category == "image"}
    videos = {template.code for template in templates if template.category == "video"}
    not_for_commercial_use = {
        template.code for template in templates if not template.commercial_use
    }

    assert images >= IMAGE_TEMPLATES
    assert videos >= VIDEO_TEMPLATES
    assert "idm-vton" in not_for_commercial_use


def test_every_template_has_a_price_a_provider_and_descriptions() -> None:
    broken = []
    for template in catalog.templates().values():
        parameters = check(template, sample_parameters(template))
        promises = {
            "makes one output by default": template.outputs_count(parameters) == 1,
            "has a price": template.cost(parameters, PRICES) > 0,
            "is usually faster than its deadline": (
                0 < template.expected_seconds < template.seconds_max
            ),
            "has a provider": callable(load_provider(template.provider).create),
            "describes each parameter": all(
                "description" in schema for schema in template.parameters.values()
            ),
        }
        broken += [f"{template.code}: {name}" for name, is_kept in promises.items() if not is_kept]

    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "flux",
        "FLUX-SCHNELL",
        "../x",
        "flux-schnell.toml",
        "past/flux-schnell.1",
        "flux-schnell.1",
        "past",
    ],
)
def test_an_unknown_code_is_not_found(code: str) -> None:
    with pytest.raises(NotFound):
        catalog.template(code)


def test_a_past_version_can_be_read() -> None:
    assert "quality" not in catalog.template("flux-schnell", 1).parameters
    assert catalog.template("flux-schnell", 2) is catalog.template("flux-schnell")
    for version in (0, 3):
        with pytest.raises(NotFound):
            catalog.template("flux-schnell", version)


def test_every_version_before_the_current_one_is_a_past_version() -> None:
    current = {code: template.version for code, template in catalog.templates().items()}
    retired = {code: catalog.last_version(code).version + 1 for code in catalog.retired()}

    earlier = {
        (code, version)
        for code, next_version in (current | retired).items()
        for version in range(1, next_version)
    }

    assert set(catalog.past_templates()) == earlier


def test_a_current_template_without_the_source_of_its_parameters_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "shared/darkroom/catalog/flux-schnell.toml").read_text()
    without = re.sub(r"\[checked\]\n(.+\n)+", "", text)
    (tmp_path / "flux-schnell.toml").write_text(without)
    (tmp_path / "past").mkdir()
    (tmp_path / "past/flux-schnell.2.toml").write_text(without)
    monkeypatch.setattr(catalog, "files", lambda _: tmp_path)

    for cached in (catalog._names, catalog._read):
        cached.cache_clear()
    try:
        assert catalog._read("past/flux-schnell.2").checked is None
        with pytest.raises(BrokenTemplate, match=r"flux-schnell\.toml: checked"):
            catalog._read("flux-schnell")
    finally:
        for cached in (catalog._names, catalog._read):
            cached.cache_clear()


def test_a_file_with_a_wrong_name_or_broken_content_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "shared/darkroom/catalog/flux-schnell.toml").read_text()
    (tmp_path / "other.toml").write_text(text)
    (tmp_path / "broken.toml").write_text(text[:200])
    monkeypatch.setattr(catalog, "files", lambda _: tmp_path)
    catalog._names.cache_clear()
    try:
        with pytest.raises(BrokenTemplate, match=r"other\.toml"):
            catalog._read("other")
        with pytest.raises(BrokenTemplate, match=r"broken\.toml"):
            catalog._read("broken")
    finally:
        catalog._names.cache_clear()
