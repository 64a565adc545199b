"""The example images of the template cards."""

from __future__ import annotations

import io

from PIL import Image

from darkroom import catalog
from tools.web.examples import BYTES_MAX, FOLDER, HEIGHT, WIDTH, examples


def test_each_template_has_a_small_example_and_nothing_else_is_there() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}

    assert sizes.keys() == {f"{code}.webp" for code in catalog.codes()}
    assert max(sizes.values()) <= BYTES_MAX


def test_the_drawings_are_small_images_that_differ() -> None:
    files = examples()

    assert len(set(files.values())) == len(files) == len(catalog.codes())
    for data in files.values():
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("WEBP", (WIDTH, HEIGHT))
