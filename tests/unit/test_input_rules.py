"""The choice of the image that a model receives, and the images that a model refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.domain.errors import InvalidRequest
from darkroom.domain.input_rules import Candidates, ImageRules, check_enlargement, choose
from darkroom.domain.uploads import SIDES, FittedImage, sides_of, size_within


def fitted(width: int, height: int, size_bytes: int | None = 1_000) -> FittedImage:
    return FittedImage("image/jpeg", width, height, size_bytes)


def images_of(width: int, height: int, size_bytes: int | None = 1_000) -> list[FittedImage]:
    """Return the images of an upload whose original has this size."""
    sizes = [size_within(width, height, side) for side in sides_of(width, height)]
    return [fitted(*size, size_bytes) for size in sizes]


def chosen(rules: ImageRules, images: list[FittedImage]) -> FittedImage:
    return choose({"image": Candidates(rules, images)})["image"]


def refusal(rules: ImageRules, images: list[FittedImage]) -> str:
    with pytest.raises(InvalidRequest) as refused:
        chosen(rules, images)
    (error,) = refused.value.errors
    assert error.field == "image"
    return error.message


class TestChoice:
    def test_a_model_receives_at_most_the_side_that_it_wants(self) -> None:
        photo = images_of(4032, 3024)

        assert chosen(ImageRules(), photo) == fitted(1024, 768)
        assert chosen(ImageRules(max_side=2048), photo) == fitted(2048, 1536)

    def test_a_small_image_is_sent_as_it_is(self) -> None:
        assert chosen(ImageRules(max_side=2048), images_of(640, 480)) == fitted(640, 480)
        assert chosen(ImageRules(max_side=2048), images_of(1500, 900)) == fitted(1500, 900)

    def test_all_images_of_a_job_are_of_the_same_side(self) -> None:
        wants_more, wants_less = ImageRules(max_side=2048), ImageRules()
        photo, mask = images_of(4000, 3000), images_of(4000, 3000)

        both = choose({"a": Candidates(wants_more, photo), "b": Candidates(wants_more, mask)})
        one = choose({"a": Candidates(wants_more, photo), "b": Candidates(wants_less, mask)})

        assert both == {"a": fitted(2048, 1536), "b": fitted(2048, 1536)}
        assert one == {"a": fitted(1024, 768), "b": fitted(1024, 768)}

    def test_a_mask_with_too_many_bytes_makes_its_photo_smaller_too(self) -> None:
        rules = ImageRules(max_side=2048, bytes_max=2_000)
        mask = [fitted(1024, 768, 2_000), fitted(1448, 1086, 2_000), fitted(2048, 1536, 2_001)]

        found = choose(
            {"image": Candidates(rules, images_of(4000, 3000)), "mask": Candidates(rules, mask)}
        )

        assert [found["image"], found["mask"].width] == [fitted(1448, 1086), 1448]

    def test_the_images_of_a_job_fit_together_so_each_becomes_smaller(self) -> None:
        rules = ImageRules(max_side=2048)
        photo = [fitted(1024, 768, 300), fitted(1448, 1086, 600), fitted(2048, 1536, 900)]
        both = {"a": Candidates(rules, photo), "b": Candidates(rules, photo)}

        found = {
            bound: choose(both, total_bytes_max=bound)["a"].width for bound in (1_800, 1_799, 600)
        }

        assert found == {1_800: 2048, 1_799: 1448, 600: 1024}
        with pytest.raises(InvalidRequest) as refused:
            choose(both, total_bytes_max=599)
        assert [error.field for error in refused.value.errors] == ["a"]

    def test_the_rules_of_each_image_count_before_the_total(self) -> None:
        small = Candidates(ImageRules(min_side=300), [fitted(200, 200, 900)])

        with pytest.raises(InvalidRequest) as refused:
            choose({"a": small}, total_bytes_max=1)

        assert "needs at least 300" in refused.value.errors[0].message

    def test_an_image_of_an_earlier_release_has_no_known_bytes(self) -> None:
        old = Candidates(ImageRules(), [fitted(200, 200, None)])

        assert choose({"a": old}, total_bytes_max=1)["a"].bytes is None

    def test_a_job_without_uploads_needs_no_choice(self) -> None:
        assert choose({}) == {}

    @given(
        st.tuples(st.integers(1, 9_000), st.integers(1, 9_000)),
        st.sampled_from(SIDES),
        st.integers(1, 5_000_000),
    )
    def test_the_chosen_image_never_breaks_a_rule(
        self, size: tuple[int, int], max_side: int, pixels_max: int
    ) -> None:
        rules = ImageRules(max_side=max_side, pixels_max=pixels_max)
        try:
            image = chosen(rules, images_of(*size))
        except InvalidRequest:
            assert all(each.width * each.height > pixels_max for each in images_of(*size))
        else:
            assert max(image.width, image.height) <= max_side
            assert image.width * image.height <= pixels_max


class TestLimits:
    """Each limit, at its edge and one beyond."""

    @pytest.mark.parametrize("size", [(300, 400), (400, 300)])
    def test_minimum_side(self, size: tuple[int, int]) -> None:
        assert chosen(ImageRules(min_side=300), images_of(*size)) == fitted(*size)
        message = refusal(ImageRules(min_side=301), images_of(*size))
        assert f"{size[0]} × {size[1]} pixels" in message
        assert "at least 301 on each side" in message
        assert "larger image" in message

    def test_a_long_photo_must_be_cropped_to_reach_the_minimum_side(self) -> None:
        assert chosen(ImageRules(max_side=2048, min_side=205), images_of(8000, 800)).height == 205
        assert "Crop" in refusal(ImageRules(max_side=2048, min_side=206), images_of(8000, 800))

    @pytest.mark.parametrize(("size", "words"), [((1000, 400), "wide"), ((400, 1000), "high")])
    def test_aspect_ratio(self, size: tuple[int, int], words: str) -> None:
        assert chosen(ImageRules(aspect_ratio_max=2.5), images_of(*size)) == fitted(*size)
        message = refusal(ImageRules(aspect_ratio_max=2.49), images_of(*size))
        assert f"2.50 times as {words}" in message
        assert "at most 2.49 times" in message
        assert "Crop" in message

    def test_pixels(self) -> None:
        image = images_of(100, 50)

        assert chosen(ImageRules(pixels_max=5_000), image) == fitted(100, 50)
        assert "at most 4,999" in refusal(ImageRules(pixels_max=4_999), image)

    def test_too_many_pixels_choose_the_smaller_image(self) -> None:
        rules = ImageRules(max_side=2048, pixels_max=2_096_704)

        assert chosen(rules, images_of(2048, 1023)) == fitted(2048, 1023)
        assert chosen(rules, images_of(2048, 1024)) == fitted(1448, 724)
        assert chosen(rules, images_of(1448, 1448)) == fitted(1448, 1448)
        assert chosen(rules, images_of(1449, 1448)) == fitted(1448, 1447)

    def test_bytes(self) -> None:
        image = images_of(100, 50, 3_700_000)

        assert chosen(ImageRules(bytes_max=3_700_000), image) == image[0]
        message = refusal(ImageRules(bytes_max=3_699_999), image)
        assert "3.7 MB" in message
        assert "JPEG" in message

    def test_an_image_of_unknown_bytes_is_accepted(self) -> None:
        assert chosen(ImageRules(bytes_max=1), images_of(9, 9, None)) == fitted(9, 9, None)

    def test_every_refused_image_is_named(self) -> None:
        rules = ImageRules(min_side=300)
        small, large = images_of(10, 10), images_of(400, 400)

        with pytest.raises(InvalidRequest) as refused:
            choose(
                {name: Candidates(rules, small) for name in "ab"} | {"c": Candidates(rules, large)}
            )

        assert [error.field for error in refused.value.errors] == ["a", "b"]


class TestEnlargement:
    @pytest.mark.parametrize("scale", [2, 1, 1.5])
    def test_a_result_no_larger_than_the_upload_is_refused(self, scale: float) -> None:
        with pytest.raises(InvalidRequest) as refused:
            check_enlargement(
                fitted(1024, 768), (2048, 1536), scale=scale, scale_max=4, field="scale"
            )

        (error,) = refused.value.errors
        assert error.field == "scale"
        assert f"{1024 * scale:.0f} × {768 * scale:.0f}" in error.message
        assert "than your image has (2048 × 1536)" in error.message

    @pytest.mark.parametrize(
        ("sent", "original", "scale"),
        [
            (fitted(1024, 768), (2048, 1536), 2.01),
            (fitted(1024, 768), (1600, 1200), 2),
            (fitted(2048, 1023), (2048, 1023), 1),
            (fitted(1024, 768), (1024, 768), 1),
            # No factor is large enough, and this is the largest.
            (fitted(1448, 1086), (8064, 6048), 4),
        ],
    )
    def test_any_other_result_is_accepted(
        self, sent: FittedImage, original: tuple[int, int], scale: float
    ) -> None:
        check_enlargement(sent, original, scale=scale, scale_max=4, field="scale")


def test_the_public_rules_leave_out_limits_that_a_model_does_not_have() -> None:
    rules: dict[str, Any] = {"max_side": 2048, "min_side": 300, "aspect_ratio_max": 2.5}

    assert ImageRules(**rules).public() == rules
    assert ImageRules().public() == {"max_side": 1024}
