"""The forms of a prediction's output: JSON values that contain the links of its files."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def shaped_output(
    shape: str, urls: Sequence[str], *, prediction_id: str, seed: int, image: object
) -> Any:  # noqa: ANN401 (any JSON)
    """Return the output of a form, with these links. `image` is the prediction's input image."""
    return _SHAPES[shape](list(urls), {"id": prediction_id, "seed": seed, "image": image})


def _object(urls: list[str], facts: Mapping[str, Any]) -> object:
    if not urls:
        return {}
    return {"image": urls[0], "info": {"seed": facts["seed"], "more": urls[1:]}}


def _page(urls: list[str], facts: Mapping[str, Any]) -> object:
    page = f"https://replicate.com/p/{facts['id']}"
    return {"page": page, "input_image": facts["image"], "images": urls}


_SHAPES: Mapping[str, Callable[[list[str], Mapping[str, Any]], object]] = {
    "string": lambda urls, _facts: urls[0] if urls else None,
    "list": lambda urls, _facts: urls,
    "object": _object,
    "page": _page,
    "repeated": lambda urls, _facts: [url for url in urls for _ in range(2)],
    "text": lambda _urls, _facts: "A lighthouse stands at dawn.",
    "empty_list": lambda _urls, _facts: [],
}
SHAPES = tuple(_SHAPES)
