"""The catalog: every template that is available, held against the models that it asks and against a price list of its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from darkroom import catalog
from darkroom.catalog.parsing import BrokenTemplate
from darkroom.domain.errors import InvalidRequest, NotFound
from darkroom.domain.parameters import check_parameters
from darkroom.domain.pricing import Prices
from darkroom.domain.templates import Template
from darkroom.providers import load_provider
from local.simulators.replicate.model_table import find_by_version
from tests.aws import ROOT

SEEDS = Prices(image=10, video=50, high_quality_multiplier=Decimal("1.5"))
UPLOAD = "01999999-aaaa-7bbb-8ccc-dddddddddddd"
URL = "https://example.com/image.png"
CURRENT = pytest.mark.parametrize(
    "template", catalog.templates().values(), ids=lambda template: template.code
)
OF_REPLICATE = pytest.mark.parametrize(
    "template",
    [template for template in catalog.templates().values() if template.provider == "replicate"],
    ids=lambda template: template.code,
)
# What a model takes and its template does not offer. Nobody but the operator should switch a safety checker off or load weights from an
# address; the other lists of values are not published in full.
NOT_OFFERED = {
    "flux-schnell": {"disable_safety_checker"},
    "flux-dev": {"disable_safety_checker"},
    "sdxl": {"disable_safety_checker", "lora_scale", "replicate_weights"},
    "ideogram-v3-turbo": {"resolution", "style_preset"},
    "background-remover": {"format"},
    "wan-2.2-t2v-fast": {
        "disable_safety_checker",
        "lora_weights_transformer",
        "lora_scale_transformer",
    },
    "wan-2.2-i2v-fast": {
        "disable_safety_checker",
        "lora_weights_transformer",
        "lora_scale_transformer",
    },
}
# What a template asks for although its model does not.
ALSO_REQUIRED = {
    "flux-kontext-pro": {"input_image"},
    "sdxl": {"prompt"},
    "kling-v2.1": {"start_image"},
}
OWN = {
    "flux-schnell": {"quality"},
    "flux-dev": {"quality"},
    "sdxl": {"quality"},
    "real-esrgan": {"resolution"},
}


def needed(template: Template, **given: Any) -> dict[str, Any]:
    """The least that a template takes, and whatever else is given."""
    sample = {
        name: UPLOAD if name in template.image_parameters else "a lighthouse"
        for name in template.required
    }
    return sample | given


def checked(code: str, **given: Any) -> dict[str, Any]:
    template = catalog.template(code)
    return check_parameters(template, needed(template, **given), prompt_characters_max=5_000)


def cost(code: str, **given: Any) -> int:
    return catalog.template(code).cost(checked(code, **given), SEEDS)


def refused_fields(code: str, **given: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        checked(code, **given)
    return [error.field.removeprefix("parameters.") for error in refused.value.errors]


class TestCatalog:
    def test_holds_what_is_promised(self) -> None:
        videos = {"hailuo-02", "wan-2.2-t2v-fast", "wan-2.2-i2v-fast", "veo-3.1", "veo-3.1-fast", "kling-v2.1", "seedance-1-lite",
                 "runway-gen4-turbo", "runway-gen4.5"}  # fmt: skip
        images = {
            "flux-schnell", "flux-dev", "flux-1.1-pro", "flux-kontext-pro", "sdxl", "stable-diffusion-3.5-large", "imagen-4-fast",
            "ideogram-v3-turbo", "real-esrgan", "background-remover", "idm-vton", "sd-webui", "sd-webui-img2img",
        }  # fmt: skip

        assert {
            code for code, template in catalog.templates().items() if template.category == "video"
        } == videos
        assert {
            code for code, template in catalog.templates().items() if template.category == "image"
        } == images
        assert [
            code for code, template in catalog.templates().items() if not template.commercial_use
        ] == ["idm-vton"]

    @CURRENT
    def test_every_template_has_a_price_and_a_provider(self, template: Template) -> None:
        parameters = check_parameters(template, needed(template), prompt_characters_max=5_000)

        assert template.outputs_count(parameters) == 1
        assert template.cost(parameters, SEEDS) > 0
        assert 0 < template.expected_seconds < template.seconds_max
        assert callable(load_provider(template.provider).create)
        assert all("description" in schema for schema in template.parameters.values())

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
    def test_another_code_is_not_found(self, code: str) -> None:
        with pytest.raises(NotFound):
            catalog.template(code)

    def test_a_past_version_can_still_be_read(self) -> None:
        assert "quality" not in catalog.template("flux-schnell", 1).parameters
        assert catalog.template("flux-schnell", 2) is catalog.template("flux-schnell")
        for version in (0, 3):
            with pytest.raises(NotFound):
                catalog.template("flux-schnell", version)

    def test_the_past_versions_are_all_that_precede_the_current_one(self) -> None:
        available = {code: template.version for code, template in catalog.templates().items()}
        past = set(catalog.past_templates())

        assert past == {
            (code, version) for code, latest in available.items() for version in range(1, latest)
        }

    def test_a_file_under_another_name_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = (ROOT / "shared/darkroom/catalog/flux-schnell.toml").read_text()
        (tmp_path / "other.toml").write_text(text)
        (tmp_path / "torn.toml").write_text(text[:200])
        monkeypatch.setattr(catalog, "files", lambda _: tmp_path)
        catalog._names.cache_clear()
        try:
            with pytest.raises(BrokenTemplate, match=r"other\.toml"):
                catalog._read("other")
            with pytest.raises(BrokenTemplate, match=r"torn\.toml"):
                catalog._read("torn")
        finally:
            catalog._names.cache_clear()


class TestModels:
    @OF_REPLICATE
    def test_is_asked_only_for_what_the_model_takes(self, template: Template) -> None:
        model = find_by_version(template.model)
        assert model
        own = OWN.get(template.code, set())

        assert set(template.own_parameters) == own
        assert model.inputs.keys() - template.parameters.keys() == NOT_OFFERED.get(
            template.code, set()
        )
        assert template.parameters.keys() - model.inputs.keys() == own - model.inputs.keys()
        assert set(template.required) - set(model.required) == ALSO_REQUIRED.get(
            template.code, set()
        )
        assert set(model.required) <= set(template.required)

    @OF_REPLICATE
    def test_has_the_models_types_defaults_and_limits(self, template: Template) -> None:
        model = find_by_version(template.model)
        assert model
        for name in (model.inputs.keys() & template.parameters.keys()) - set(
            template.own_parameters
        ):
            ours, theirs = dict(template.parameters[name]), dict(model.inputs[name])
            assert ours["type"] == theirs["type"], name
            assert sorted(map(str, ours.get("enum", []))) == sorted(
                map(str, theirs.get("enum", []))
            ), name
            if name not in template.required:
                assert ours.get("default") == theirs.get("default"), name
            for limit in ("minimum", "maximum", "minItems", "maxItems"):
                if limit in theirs:
                    assert ours.get(limit) == theirs[limit], (name, limit)
            assert (name in template.image_parameters) == (
                "uri" in (theirs.get("format"), theirs.get("items", {}).get("format"))
            ), name

    @OF_REPLICATE
    def test_what_it_sends_is_valid_for_the_model(self, template: Template) -> None:
        model = find_by_version(template.model)
        assert model
        work = template.model_input(
            check_parameters(template, needed(template), prompt_characters_max=5_000), {UPLOAD: URL}
        )

        assert not list(Draft202012Validator(model.input_schema).iter_errors(dict(work.input)))
        assert work.input.keys() <= model.inputs.keys()
        assert work.images == tuple(
            name for name in template.image_parameters if name in template.required
        )
        assert all(work.input[name] == URL for name in work.images)


class TestRules:
    @pytest.mark.parametrize(
        ("code", "given", "fields"),
        [
            ("hailuo-02", {"duration": 10}, ["duration"]),
            ("hailuo-02", {"duration": 10, "resolution": "1080p"}, ["duration"]),
            ("hailuo-02", {"duration": 10, "resolution": "512p"}, ["duration"]),
            ("hailuo-02", {"duration": 7}, ["duration"]),
            ("veo-3.1", {"reference_images": [URL], "aspect_ratio": "9:16"}, ["reference_images"]),
            ("veo-3.1", {"reference_images": [URL], "duration": 6}, ["reference_images"]),
            ("veo-3.1", {"reference_images": []}, ["reference_images"]),
            ("veo-3.1", {"reference_images": [URL] * 4}, ["reference_images"]),
            ("veo-3.1", {"last_frame": URL}, ["last_frame"]),
            ("veo-3.1-fast", {"reference_images": [URL]}, ["reference_images"]),
            ("kling-v2.1", {"end_image": URL}, ["end_image"]),
            ("kling-v2.1", {"start_image": None}, ["start_image"]),
            (
                "seedance-1-lite",
                {"reference_images": [URL], "resolution": "1080p"},
                ["reference_images"],
            ),
            ("seedance-1-lite", {"reference_images": [URL], "image": URL}, ["reference_images"]),
            ("seedance-1-lite", {"last_frame_image": URL}, ["last_frame_image"]),
            ("flux-kontext-pro", {"safety_tolerance": 3}, ["safety_tolerance"]),
            ("flux-1.1-pro", {"aspect_ratio": "custom"}, ["aspect_ratio"]),
            ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 512}, ["aspect_ratio"]),
            ("flux-1.1-pro", {"width": 512, "height": 512}, ["height", "width"]),
            ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 500, "height": 512}, ["width"]),
            ("sdxl", {"mask": URL}, ["mask"]),
            ("ideogram-v3-turbo", {"mask": URL}, ["mask"]),
            ("ideogram-v3-turbo", {"image": URL}, ["image"]),
            ("flux-dev", {"quality": "high", "num_inference_steps": 10}, ["num_inference_steps"]),
            ("real-esrgan", {"resolution": "2k", "scale": 4}, ["scale"]),
            ("idm-vton", {"category": "dresses", "force_dc": False}, ["force_dc"]),
        ],
    )
    def test_what_the_model_would_refuse_or_ignore_is_refused_before_paying(
        self, code: str, given: dict[str, Any], fields: list[str]
    ) -> None:
        assert refused_fields(code, **given) == fields

    @pytest.mark.parametrize(
        ("code", "given"),
        [
            ("hailuo-02", {"duration": 10, "resolution": "768p"}),
            ("hailuo-02", {"duration": 6, "resolution": "512p"}),
            ("veo-3.1", {"reference_images": [URL, UPLOAD, URL]}),
            ("veo-3.1", {"last_frame": URL, "image": URL}),
            ("kling-v2.1", {"end_image": URL, "mode": "pro"}),
            ("seedance-1-lite", {"reference_images": [URL]}),
            ("seedance-1-lite", {"image": URL, "last_frame_image": URL, "resolution": "1080p"}),
            ("flux-kontext-pro", {"safety_tolerance": 0}),
            ("flux-1.1-pro", {"aspect_ratio": "custom", "width": 256, "height": 1440}),
            ("sdxl", {"mask": URL, "image": UPLOAD}),
            ("flux-dev", {"quality": "high", "num_inference_steps": 50}),
            ("real-esrgan", {"resolution": "4k", "scale": 4}),
        ],
    )
    def test_what_it_takes_is_taken(self, code: str, given: dict[str, Any]) -> None:
        assert checked(code, **given).items() >= given.items()

    @pytest.mark.parametrize(
        "image", ["", "image.png", "http://example.com/a.png", "https://", "https://ann:secret@example.com/a.png", "file:///etc/passwd",
                  "data:image/png;base64,AAAA", "uploads/web#bob/x.jpg", "s3://bucket/key", UPLOAD.upper(), f"{UPLOAD} ", 7, ["x"], {}],
    )  # fmt: skip
    def test_an_image_is_an_upload_or_an_https_url(self, image: object) -> None:
        assert refused_fields("flux-dev", image=image) == ["image"]

    @CURRENT
    @pytest.mark.parametrize("blank", ["", " ", "\t\n", "\x1e", "\x85", "\u3000", "\ufeff"])
    def test_a_blank_prompt_is_one_to_every_reader_of_the_schema(
        self, template: Template, blank: str
    ) -> None:
        """Regex engines disagree about what white space is, and a form is drawn by another engine than ours."""
        if "prompt" in template.parameters:
            assert refused_fields(template.code, prompt=blank) == ["prompt"]

    @CURRENT
    @given(data=st.data())
    def test_the_published_schema_says_what_rules_and_presets_say(
        self, template: Template, data: st.DataObject
    ) -> None:
        together = {name for rule in template.rules for name in rule.names} | {
            name for preset in template.presets for name in (*preset.when, *preset.sets)
        }
        named = sorted(together - set(template.required))
        if not named:
            return
        given_parameters = needed(template)
        for name in data.draw(st.lists(st.sampled_from(named), unique=True)):
            schema = template.parameters[name]
            if name in template.image_parameters:
                given_parameters[name] = [URL] if schema["type"] == "array" else URL
            else:
                set_by_presets = [
                    preset.sets[name] for preset in template.presets if name in preset.sets
                ]
                edges = (
                    [True, False]
                    if schema["type"] == "boolean"
                    else schema.get("enum") or [schema["minimum"], schema["maximum"]]
                )
                given_parameters[name] = data.draw(st.sampled_from([*edges, *set_by_presets]))
        says_yes = Draft202012Validator(template.schema(prompt_characters_max=5_000)).is_valid(
            given_parameters
        )

        try:
            check_parameters(template, given_parameters, prompt_characters_max=5_000)
        except InvalidRequest:
            assert not says_yes
        else:
            assert says_yes


class TestPrices:
    @pytest.mark.parametrize(
        ("code", "given", "expected"),
        [
            ("flux-schnell", {}, 10),
            ("flux-schnell", {"num_outputs": 4}, 40),
            ("flux-schnell", {"quality": "high"}, 15),
            ("flux-schnell", {"quality": "high", "num_outputs": 4}, 60),
            ("flux-dev", {}, 10),
            ("flux-dev", {"quality": "high", "num_outputs": 3}, 45),
            ("flux-1.1-pro", {}, 15),
            ("flux-kontext-pro", {}, 15),
            ("sdxl", {}, 10),
            ("sdxl", {"quality": "high", "num_outputs": 2}, 30),
            ("stable-diffusion-3.5-large", {}, 10),
            ("imagen-4-fast", {}, 10),
            ("ideogram-v3-turbo", {}, 10),
            ("real-esrgan", {"resolution": "2k"}, 10),
            ("real-esrgan", {"resolution": "4k"}, 15),
            ("real-esrgan", {}, 15),
            ("real-esrgan", {"scale": 2}, 10),
            ("real-esrgan", {"scale": 2.5}, 15),
            ("background-remover", {}, 10),
            ("idm-vton", {}, 10),
            ("sd-webui", {}, 10),
            ("sd-webui-img2img", {"num_outputs": 3}, 30),
            ("runway-gen4-turbo", {}, 50),
            ("runway-gen4-turbo", {"duration": 10}, 100),
            ("runway-gen4.5", {}, 75),
            ("runway-gen4.5", {"duration": 2}, 30),
            ("hailuo-02", {}, 75),
            ("hailuo-02", {"resolution": "768p"}, 50),
            ("hailuo-02", {"resolution": "768p", "duration": 10}, 100),
            ("wan-2.2-t2v-fast", {}, 50),
            ("wan-2.2-t2v-fast", {"resolution": "720p"}, 75),
            ("wan-2.2-i2v-fast", {"resolution": "720p"}, 75),
            ("veo-3.1-fast", {}, 120),
            ("veo-3.1-fast", {"duration": 4}, 60),
            ("veo-3.1", {"duration": 6}, 240),
            ("kling-v2.1", {}, 50),
            ("kling-v2.1", {"mode": "pro"}, 75),
            ("kling-v2.1", {"mode": "pro", "duration": 10}, 150),
            ("seedance-1-lite", {}, 30),
            ("seedance-1-lite", {"duration": 2, "resolution": "480p"}, 12),
            ("seedance-1-lite", {"duration": 11, "resolution": "1080p"}, 99),
        ],
    )
    def test_the_price_list(self, code: str, given: dict[str, Any], expected: int) -> None:
        assert cost(code, **given) == expected

    def test_a_template_without_a_price_of_its_own_costs_what_the_deployment_says(self) -> None:
        prices = Prices(image=7, video=31, high_quality_multiplier=Decimal(2))

        def price(code: str, **given: Any) -> int:
            return catalog.template(code).cost(checked(code, **given), prices)

        assert price("flux-schnell", num_outputs=2) == 14
        assert price("flux-schnell", quality="high") == 14
        assert price("wan-2.2-t2v-fast", resolution="720p") == 62
        assert price("real-esrgan", resolution="4k") == 11
        assert price("flux-1.1-pro") == 15


class TestQuality:
    @pytest.mark.parametrize(
        ("code", "given", "asked"),
        [
            ("flux-schnell", {}, {"go_fast": True, "output_quality": 80}),
            ("flux-schnell", {"quality": "high"}, {"go_fast": False, "output_quality": 100}),
            ("flux-dev", {"quality": "high"}, {"num_inference_steps": 50, "go_fast": False}),
            ("flux-dev", {"quality": "standard"}, {"num_inference_steps": 28, "go_fast": True}),
            (
                "sdxl",
                {"quality": "high"},
                {"num_inference_steps": 80, "refine": "expert_ensemble_refiner"},
            ),
            ("real-esrgan", {"resolution": "2k"}, {"scale": 2}),
            ("real-esrgan", {"resolution": "4k"}, {"scale": 4}),
            ("idm-vton", {"category": "dresses"}, {"force_dc": True}),
        ],
    )
    def test_quality_and_resolution_change_what_the_model_is_requested(
        self, code: str, given: dict[str, Any], asked: dict[str, Any]
    ) -> None:
        parameters = checked(code, **given)
        sent = catalog.template(code).model_input(parameters).input

        assert sent.items() >= asked.items()
        assert parameters.items() >= asked.items()
        assert not set(catalog.template(code).own_parameters) & sent.keys()
