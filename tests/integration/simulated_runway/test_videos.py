"""The simulated Runway makes real videos, and downloads input images like the real Runway."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import av
import pytest
import requests
from PIL import ImageStat

from tests.integration.servers import Received, Reply, answering, server
from tests.integration.simulated_runway.wire import Api, MovableClock, data_uri, image_file


class TestVideos:
    @pytest.mark.parametrize(
        ("endpoint", "fields", "size", "frames_count"),
        [
            ("image_to_video", {"ratio": "832:1104"}, (482, 640), 48),
            ("image_to_video", {"ratio": "1584:672", "duration": 3}, (640, 272), 72),
            ("text_to_video", {"ratio": "720:1280"}, (360, 640), 48),
            (
                "text_to_video",
                {"model": "veo3.1_fast", "duration": 4, "ratio": "1920:1080"},
                (640, 360),
                96,
            ),
        ],
    )
    def test_video_has_the_requested_size_and_length(
        self,
        api: Api,
        endpoint: str,
        fields: dict[str, Any],
        size: tuple[int, int],
        frames_count: int,
    ) -> None:
        with av.open(BytesIO(api.video(endpoint, **fields)), "r", format="mp4") as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (
                stream.width,
                stream.height,
                stream.frames,
                float(stream.average_rate or 0),
            ) == (*size, frames_count, 24)
            assert sum(1 for _ in container.decode(stream)) == frames_count

    def test_video_depends_only_on_the_seed(self, api: Api) -> None:
        first, again, other = (api.video(seed=seed) for seed in (1, 1, 2))

        assert first == again != other

    def test_video_begins_with_the_input_image(self, api: Api) -> None:
        reds = []
        for colour in ("red", "blue"):
            with av.open(
                BytesIO(
                    api.video("image_to_video", promptImage=data_uri(image_file(colour)), seed=1)
                ),
                "r",
                format="mp4",
            ) as container:
                first = next(container.decode(video=0)).to_image(threads=1)  # type: ignore[no-untyped-call]
            reds.append(ImageStat.Stat(first).mean[0])

        assert reds[0] > reds[1] + 60

    def test_signed_url_expires_after_a_day(self, api: Api, clock: MovableClock) -> None:
        task_id = api.create()
        [url] = api.finished(task_id)["output"]
        assert url.startswith(f"{api.simulator.base_url}/outputs/{task_id}.mp4?_jwt=")

        clock.moved = timedelta(hours=23, minutes=59)
        assert requests.get(url, timeout=20).status_code == 200
        clock.moved = timedelta(hours=24, minutes=1)
        assert requests.get(url, timeout=5).status_code == 403
        assert requests.get(api.task(task_id)["output"][0], timeout=20).status_code == 200

    def test_video_needs_its_own_signed_url(self, api: Api) -> None:
        [first], [second] = (api.finished(api.create())["output"] for _ in range(2))
        bare, _, token = first.partition("?")

        for url in (
            bare,
            f"{bare}?_jwt=",
            f"{bare}?_jwt=a.b.c",
            f"{first}x",
            f"{second.partition('?')[0]}?{token}",
        ):
            assert requests.get(url, timeout=5).status_code == 403


class TestInputImages:
    @pytest.mark.parametrize(
        ("form", "content_type"),
        [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")],
    )
    def test_create_request_fetches_the_image(self, api: Api, form: str, content_type: str) -> None:
        received: list[Received] = []
        api.set_faults(queue_seconds=3600)

        with server(
            answering(
                Reply(200, image_file(form=form), {"Content-Type": content_type}), received=received
            )
        ) as base:
            frames = [{"uri": f"{base}/a?signed=1", "position": "first"}]
            api.create("image_to_video", promptImage=frames)

        assert [(each.method, each.path) for each in received] == [
            ("HEAD", "/a?signed=1"),
            ("GET", "/a?signed=1"),
        ]
        assert all("authorization" not in each.headers for each in received)

    def test_accepts_a_first_and_a_last_frame(self, api: Api) -> None:
        paths: list[str] = []

        def respond(request: Received) -> Reply:
            paths.append(request.path)
            return Reply(200, image_file(), {"Content-Type": "image/png"})

        with server(respond) as base:
            frames = [
                {"uri": f"{base}/{position}", "position": position}
                for position in ("last", "first")
            ]
            task_id = api.create(
                "image_to_video", model="veo3.1_fast", duration=4, promptImage=frames
            )
            assert api.finished(task_id)["status"] == "SUCCEEDED"

        assert paths == ["/first", "/first", "/last", "/last"]

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (
                Reply(404, b"", {"Content-Type": "image/png"}),
                'Failed to fetch asset. Received HTTP response code "404".',
            ),
            (
                Reply(302, b"", {"Location": "/b.png"}),
                'Failed to fetch asset. Received HTTP response code "302".',
            ),
            (
                Reply(200, image_file(), {"Content-Type": "application/octet-stream"}),
                'Unsupported Content-Type response header: "application/octet-stream".',
            ),
            (Reply(200, b"a text", {"Content-Type": "image/png"}), "Failed to read asset."),
            (
                Reply(200, image_file(form="JPEG"), {"Content-Type": "image/png"}),
                "Failed to read asset.",
            ),
            (
                Reply(200, image_file(size=(40, 90)), {"Content-Type": "image/png"}),
                "Invalid asset aspect ratio.",
            ),
            (
                Reply(200, image_file(size=(90, 40)), {"Content-Type": "image/png"}),
                "Invalid asset aspect ratio.",
            ),
            (
                Reply(200, image_file(size=(8001, 4100)), {"Content-Type": "image/png"}),
                "Invalid asset dimensions.",
            ),
            (
                Reply(200, b"", {"Content-Type": "image/png"}, content_length=17_000_000),
                "Asset size exceeds 16.0MB.",
            ),
        ],
    )
    def test_refuses_an_unusable_image_with_the_reason(
        self, api: Api, reply: Reply, reason: str
    ) -> None:
        with server(answering(reply)) as base:
            refused = api.post("image_to_video", promptImage=f"{base}/a.png")

        assert (refused.status_code, list(refused.json())) == (400, ["error"])
        assert refused.json()["error"].startswith(f"promptImage: {reason}")
        assert api.all() == []

    def test_image_must_be_readable_by_head(self, api: Api) -> None:
        def respond(request: Received) -> Reply:
            return Reply(
                200 if request.method == "GET" else 403, image_file(), {"Content-Type": "image/png"}
            )

        with server(respond) as base:
            refused = api.post("image_to_video", promptImage=f"{base}/a.png")

        assert refused.json()["error"].endswith('Received HTTP response code "403".')

    @pytest.mark.parametrize(
        ("uri", "reason"),
        [
            ("http://127.0.0.1:9/nothing.png", "Failed to fetch asset."),
            (data_uri(b"a text"), "Failed to read asset."),
        ],
    )
    def test_refuses_a_missing_or_invalid_image(self, api: Api, uri: str, reason: str) -> None:
        refused = api.post("image_to_video", promptImage=uri)

        assert refused.status_code == 400
        assert refused.json()["error"].startswith(f"promptImage: {reason}")
