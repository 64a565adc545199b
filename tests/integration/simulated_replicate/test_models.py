"""Each simulated model accepts the real model's inputs, makes its kind of file, fails like it."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import av
import pytest
import requests
from PIL import Image, ImageStat

from local.simulators.replicate import SimulatedReplicate
from local.simulators.replicate.model import Model
from local.simulators.replicate.model_table import MODELS
from tests.builders import until
from tests.integration.servers import Received, Reply, server

FINAL = {"succeeded", "failed", "canceled", "aborted"}


def png(colour: str = "red", size: tuple[int, int] = (60, 40)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def data_url(body: bytes) -> str:
    return f"data:image/png;base64,{b64encode(body).decode()}"


def model_named(full_name: str) -> Model:
    return next(model for model in MODELS if model.full_name == full_name)


def create(replicate: SimulatedReplicate, model: Model, **inputs: Any) -> requests.Response:
    version = model.full_name if model.official else model.version
    required = {
        name: data_url(png()) if model.inputs[name].get("format") == "uri" else "a lighthouse"
        for name in model.required
    }
    body = {"version": version, "input": required | inputs}
    return requests.post(
        f"{replicate.base_url}/v1/predictions",
        json=body,
        headers={"Authorization": "Bearer r8_x"},
        timeout=10,
    )


def ended(replicate: SimulatedReplicate, model: Model, **inputs: Any) -> dict[str, Any]:
    created = create(replicate, model, **inputs)
    assert created.status_code == 201, created.text

    def read_if_finished() -> dict[str, Any] | None:
        document: dict[str, Any] = requests.get(
            created.json()["urls"]["get"], headers={"Authorization": "Bearer r8_x"}, timeout=10
        ).json()
        return document if document["status"] in FINAL else None

    return until(read_if_finished)


def output_of(prediction: dict[str, Any]) -> bytes:
    assert prediction["status"] == "succeeded", prediction["error"]
    url = (
        prediction["output"][0] if isinstance(prediction["output"], list) else prediction["output"]
    )
    return requests.get(url, timeout=20).content


def test_each_model_makes_its_kind_of_file(
    replicate: SimulatedReplicate, subtests: pytest.Subtests
) -> None:
    for model in MODELS:
        with subtests.test(model=model.full_name):
            inputs = {
                "ideogram-ai/ideogram-4-5": {"size": "1024x1024"},
            }.get(model.full_name, {})

            prediction = ended(replicate, model, **inputs)

            assert isinstance(prediction["output"], list) == (model.output == "uri[]")
            body = output_of(prediction)
            if model.makes == "video":
                assert_playable_video(body)
            else:
                Image.open(BytesIO(body)).load()


def assert_playable_video(body: bytes) -> None:
    with av.open(BytesIO(body), "r", format="mp4") as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sum(1 for _ in container.decode(stream)) == stream.frames


class TestVideos:
    @pytest.mark.parametrize(
        ("name", "inputs", "expected"),
        [
            ("minimax/hailuo-02", {"duration": 10, "resolution": "768p"}, (240, 24, False)),
            ("google/veo-3.1-fast", {"duration": 4, "aspect_ratio": "9:16"}, (96, 24, True)),
            (
                "wan-video/wan-2.2-t2v-fast",
                {"num_frames": 100, "frames_per_second": 10},
                (100, 10, False),
            ),
            ("bytedance/seedance-1-lite", {"duration": 2, "aspect_ratio": "3:4"}, (48, 24, True)),
        ],
    )
    def test_video_has_the_requested_size_and_length(
        self,
        replicate: SimulatedReplicate,
        name: str,
        inputs: Any,
        expected: tuple[int, float, bool],
    ) -> None:
        body = output_of(ended(replicate, model_named(name), **inputs))

        with av.open(BytesIO(body), "r", format="mp4") as container:
            stream = container.streams.video[0]
            assert (
                stream.frames,
                float(stream.average_rate or 0),
                stream.height > stream.width,
            ) == expected

    def test_video_depends_only_on_the_seed(self, replicate: SimulatedReplicate) -> None:
        model = model_named("wan-video/wan-2.2-t2v-fast")
        first, again, other = (output_of(ended(replicate, model, seed=seed)) for seed in (1, 1, 2))

        assert first == again != other

    def test_video_begins_with_the_input_image(self, replicate: SimulatedReplicate) -> None:
        model = model_named("wan-video/wan-2.2-i2v-fast")
        reds = []
        for colour in ("red", "blue"):
            body = output_of(ended(replicate, model, image=data_url(png(colour)), seed=1))
            with av.open(BytesIO(body), "r", format="mp4") as container:
                first = next(container.decode(video=0)).to_image(threads=1)  # type: ignore[no-untyped-call]
            reds.append(ImageStat.Stat(first).mean[0])

        assert reds[0] > reds[1] + 60


class TestSources:
    def test_fetches_the_image_when_the_model_runs(self, replicate: SimulatedReplicate) -> None:
        fetched: list[Received] = []

        def respond(request: Received) -> Reply:
            fetched.append(request)
            return Reply(200, png("red", (30, 20)), {"Content-Type": "image/png"})

        with server(respond) as base:
            body = output_of(
                ended(
                    replicate,
                    model_named("nightmareai/real-esrgan"),
                    image=f"{base}/a.png?signed=1",
                    scale=4,
                )
            )

        with Image.open(BytesIO(body)) as image:
            assert image.size == (120, 80)
        assert [request.path for request in fetched] == ["/a.png?signed=1"]
        assert "authorization" not in fetched[0].headers

    @pytest.mark.parametrize(
        ("size", "status"), [((2048, 1023), "succeeded"), ((2048, 1024), "failed")]
    )
    def test_real_esrgan_refuses_more_pixels_than_its_gpu_holds(
        self, replicate: SimulatedReplicate, size: tuple[int, int], status: str
    ) -> None:
        image = data_url(png(size=size))

        prediction = ended(replicate, model_named("nightmareai/real-esrgan"), image=image)

        assert prediction["status"] == status
        assert (prediction["error"] is None) == (status == "succeeded")
        if prediction["error"]:
            assert "(1024, 2048, 3)" in prediction["error"]
            assert "greater than the max size that fits in GPU memory" in prediction["error"]

    def test_removes_the_background(self, replicate: SimulatedReplicate) -> None:
        with Image.open(
            BytesIO(output_of(ended(replicate, model_named("851-labs/background-remover"))))
        ) as image:
            assert image.getpixel((0, 0))[3] == 0  # type: ignore[index]
            assert image.getpixel((30, 20))[3] == 255  # type: ignore[index]

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:9/nothing.png",
            data_url(b"a text"),
            "data:image/png;base64,%%%",
            "no url at all",
        ],
    )
    def test_unusable_image_fails_the_prediction(
        self, replicate: SimulatedReplicate, url: str
    ) -> None:
        prediction = ended(replicate, model_named("nightmareai/real-esrgan"), image=url)

        assert (prediction["status"], prediction["output"]) == ("failed", None)
        assert prediction["error"]


@pytest.mark.parametrize(
    ("name", "inputs", "status"),
    [
        ("minimax/hailuo-02", {"duration": 10}, "failed"),
        (
            "google/veo-3.1",
            {"reference_images": [data_url(png())], "aspect_ratio": "9:16"},
            "failed",
        ),
        ("google/veo-3.1", {"reference_images": [data_url(png())], "duration": 4}, "failed"),
        ("google/veo-3.1", {"reference_images": [data_url(png())]}, "succeeded"),
        (
            "kwaivgi/kling-v2.1",
            {"start_image": data_url(png()), "end_image": data_url(png())},
            "failed",
        ),
        (
            "bytedance/seedance-1-lite",
            {"reference_images": [data_url(png())], "resolution": "1080p"},
            "failed",
        ),
        (
            "black-forest-labs/flux-kontext-pro",
            {"input_image": data_url(png()), "safety_tolerance": 3},
            "failed",
        ),
        ("black-forest-labs/flux-kontext-pro", {"safety_tolerance": 3}, "succeeded"),
    ],
)
def test_model_fails_on_the_inputs_of_the_real_model(
    replicate: SimulatedReplicate, name: str, inputs: dict[str, Any], status: str
) -> None:
    assert ended(replicate, model_named(name), **inputs)["status"] == status
