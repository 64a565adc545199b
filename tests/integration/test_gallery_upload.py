"""`make web` uploads the gallery to the bucket of a stack, on a simulated AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tools.deployed_stack import StackUnusable
from tools.web.page import outdated
from tools.web.upload import upload

STACK = "darkroom-dev"
BUCKET = "darkroom-dev-gallerybucket"
# moto's CloudFormation has no distributions, so the fixture creates them beside the stack.
TEMPLATE = """
Parameters:
  Distribution: {Type: String}
  JwtAdminClaim: {Type: String, Default: ""}
  JwtAdminValue: {Type: String, Default: admin}
  BuyCreditsUrl: {Type: String, Default: ""}
  Issuer: {Type: String, Default: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_one"}
  SignIn: {Type: String, Default: "https://darkroom-one.auth.us-east-1.amazoncognito.com"}
  Gallery: {Type: String, Default: "true"}
Conditions:
  HasSignIn: !Not [!Equals [!Ref SignIn, ""]]
  HasGallery: !Equals [!Ref Gallery, "true"]
Resources:
  Queue: {Type: AWS::SQS::Queue}
Outputs:
  ApiUrl: {Value: "https://public.example/v1"}
  MediaBucketName: {Value: darkroom-dev-mediabucket}
  GalleryUrl: {Value: "https://d1.cloudfront.net", Condition: HasGallery}
  GalleryBucketName: {Value: darkroom-dev-gallerybucket}
  GalleryDistributionId: {Value: !Ref Distribution}
  GalleryApiUrl: {Value: "https://api.example/v1"}
  GalleryIssuer: {Value: !Ref Issuer}
  GalleryClientId: {Value: client-1}
  GallerySignInUrl: {Value: !Ref SignIn, Condition: HasSignIn}
"""
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <link rel="icon" href="icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="style.css">
    <link rel="modulepreload" href="core/api.js">
    <script type="module" src="app.js"></script>
  </head>
</html>
"""
FILES = {
    "index.html": PAGE,
    "app.js": "import './core/api.js';",
    "core/api.js": "export {};",
    "style.css": "body { margin: 0 }",
    "icon.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "vendor/LICENSE-preact": "MIT",
    "examples/flux-schnell.webp": "RIFF",
    "types.d.ts": "type Job = {};",
    "tsconfig.json": "{}",
}


class Deployed:
    """A deployed stack with a gallery, the files of the page, and what `make web` printed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []
        self.s3: Any = boto3.client("s3")
        self.cloudfront: Any = boto3.client("cloudfront")
        self.formation: Any = boto3.client("cloudformation")
        self.s3.create_bucket(Bucket=BUCKET)
        self.distribution: str = self.cloudfront.create_distribution(
            DistributionConfig={
                "CallerReference": "one",
                "Comment": "",
                "Enabled": True,
                "Origins": {
                    "Quantity": 1,
                    "Items": [
                        {
                            "Id": "files",
                            "DomainName": f"{BUCKET}.s3.amazonaws.com",
                            "S3OriginConfig": {"OriginAccessIdentity": ""},
                        }
                    ],
                },
                "DefaultCacheBehavior": {
                    "TargetOriginId": "files",
                    "ViewerProtocolPolicy": "redirect-to-https",
                },
            }
        )["Distribution"]["Id"]

    def deploy(self, **parameters: str) -> None:
        values = {"Distribution": self.distribution} | parameters
        self.formation.create_stack(
            StackName=STACK,
            TemplateBody=TEMPLATE,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in values.items()
            ],
        )

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def upload(self) -> str:
        self.lines.clear()
        return upload(STACK, self.root, self.lines.append)

    def stored(self) -> list[str]:
        """Return the stored keys in the order in which they were written."""
        stored = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in sorted(stored, key=lambda each: each["LastModified"])]

    def read(self, key: str) -> Any:
        return self.s3.get_object(Bucket=BUCKET, Key=key)

    def text(self, key: str) -> str:
        text: str = self.read(key)["Body"].read().decode()
        return text

    def folders(self) -> set[str]:
        return {key.split("/")[1] for key in self.stored() if key.startswith("h/")}

    def invalidations(self) -> int:
        listed = self.cloudfront.list_invalidations(DistributionId=self.distribution)
        return len(listed["InvalidationList"].get("Items", ()))


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        stack = Deployed(tmp_path / "web")
        stack.write(**FILES)
        yield stack


def folder(stack: Deployed) -> str:
    """Return the folder to which the stored page refers."""
    found = stack.text("index.html").partition('src="/h/')[2]
    return found.partition("/")[0]


def test_every_served_file_has_its_type_and_is_kept_for_a_year(deployed: Deployed) -> None:
    deployed.deploy()

    assert deployed.upload() == "https://d1.cloudfront.net"

    below = f"h/{folder(deployed)}/"
    stored = {key.removeprefix(below): deployed.read(key) for key in deployed.stored()}
    types = {name: each["ContentType"] for name, each in stored.items()}
    assert types == {
        "app.js": "text/javascript; charset=utf-8",
        "core/api.js": "text/javascript; charset=utf-8",
        "style.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
        "vendor/LICENSE-preact": "text/plain; charset=utf-8",
        "examples/flux-schnell.webp": "image/webp",
        "index.html": "text/html; charset=utf-8",
        "config.json": "application/json",
    }
    for name, each in stored.items():
        short = name in ("index.html", "config.json")
        expected = "no-cache" if short else "public, max-age=31536000, immutable"
        assert each["CacheControl"] == expected, name


def test_the_page_leads_into_the_folder_and_names_all_hosts(deployed: Deployed) -> None:
    deployed.deploy()

    deployed.upload()

    page, name = deployed.text("index.html"), folder(deployed)
    for path in ("icon.svg", "style.css", "core/api.js"):
        assert f'href="/h/{name}/{path}"' in page
    assert f'src="/h/{name}/app.js"' in page
    charset, policy = page.index("<meta charset"), page.index("<meta http-equiv")
    assert charset < policy < page.index("<link")
    assert (
        "connect-src 'self' https://api.example https://darkroom-dev-mediabucket.s3.amazonaws.com"
        " https://cognito-idp.us-east-1.amazonaws.com"
        " https://darkroom-one.auth.us-east-1.amazoncognito.com;" in page
    )
    assert "frame-ancestors" not in page, "browsers report this directive in a page as an error"
    assert "*" not in page


def test_the_page_is_written_after_all_files_that_it_needs(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.deploy()
    written: list[str] = []
    make_api_call = type(deployed.s3)._make_api_call

    def record(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if operation in ("PutObject", "DeleteObjects", "CreateInvalidation"):
            written.append(arguments.get("Key", operation))
        return make_api_call(client, operation, arguments)

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", record)
    deployed.upload()

    assert [each for each in written if each.startswith("h/")] == written[:-3]
    assert written[-3:] == ["config.json", "index.html", "CreateInvalidation"]


def test_the_configuration_says_where_to_sign_in(deployed: Deployed) -> None:
    deployed.deploy(BuyCreditsUrl="https://shop.example/")

    deployed.upload()

    assert json.loads(deployed.text("config.json")) == {
        "api": "https://api.example/v1",
        "sign_in": {
            "kind": "oidc",
            "authority": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_one",
            "client_id": "client-1",
            "domain": "https://darkroom-one.auth.us-east-1.amazoncognito.com",
            "admin": {"claim": "cognito:groups", "value": "admin"},
        },
        "buy_credits_url": "https://shop.example/",
        "examples": ["flux-schnell"],
    }


@pytest.mark.parametrize(
    ("claim", "admin"), [("roles", {"claim": "roles", "value": "op"}), ("", None)]
)
def test_the_configuration_names_the_claim_of_another_issuer(
    deployed: Deployed, claim: str, admin: dict[str, str] | None
) -> None:
    """The API compares lists as "[op]". The page finds the value in the list."""
    deployed.deploy(
        Issuer="https://id.example", SignIn="", JwtAdminClaim=claim, JwtAdminValue="[op]"
    )

    deployed.upload()

    configuration = json.loads(deployed.text("config.json"))
    assert configuration["sign_in"]["domain"] is None
    assert configuration["sign_in"]["admin"] == admin
    assert configuration["buy_credits_url"] is None


def test_a_second_run_uploads_nothing(deployed: Deployed) -> None:
    deployed.deploy()
    deployed.upload()
    before = deployed.s3.list_objects_v2(Bucket=BUCKET)["Contents"]

    deployed.upload()

    assert deployed.s3.list_objects_v2(Bucket=BUCKET)["Contents"] == before
    assert deployed.invalidations() == 1
    assert deployed.lines[0].startswith("0 of 6 files")


def test_a_run_that_was_ended_early_is_completed(deployed: Deployed) -> None:
    deployed.deploy()
    deployed.upload()
    deployed.s3.delete_object(Bucket=BUCKET, Key=f"h/{folder(deployed)}/core/api.js")
    deployed.s3.delete_object(Bucket=BUCKET, Key="index.html")

    deployed.upload()

    assert deployed.lines[0].startswith("1 of 6 files")
    assert deployed.text(f"h/{folder(deployed)}/core/api.js") == "export {};"


def test_the_files_of_the_page_before_stay_and_older_ones_go(deployed: Deployed) -> None:
    folders = []
    deployed.deploy()
    for version in range(3):
        deployed.write(**{"app.js": f"import './core/api.js'; // {version}"})
        deployed.upload()
        folders.append(folder(deployed))

    assert deployed.folders() == set(folders[1:])
    deployed.upload()
    assert deployed.folders() == set(folders[1:])


def test_going_back_keeps_the_page_that_it_replaces(deployed: Deployed) -> None:
    """The folder of the replaced page stays, and not the one that was uploaded last."""
    folders = []
    deployed.deploy()
    for version in ("a", "b", "a", "c"):
        deployed.write(**{"app.js": f"import './core/api.js'; // {version}"})
        deployed.upload()
        folders.append(folder(deployed))

    assert folders[0] == folders[2]
    assert deployed.folders() == set(folders[2:])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"index.html": PAGE.replace("app.js", "https://cdn.example/app.js")}, "cdn.example"),
        ({"index.html": PAGE.replace("utf-8", "latin-1")}, "must contain"),
        ({"model.bin": "?"}, "without a content type"),
    ],
)
def test_a_page_that_cannot_work_is_not_uploaded(
    deployed: Deployed, change: dict[str, str], reason: str
) -> None:
    deployed.deploy()
    deployed.write(**change)

    with pytest.raises(StackUnusable, match=reason):
        deployed.upload()

    assert deployed.stored() == []


def test_of_an_unchanged_page_the_newest_other_folder_stays() -> None:
    """The run that wrote the page was ended before it deleted."""
    times = {
        "h/aa/app.js": datetime(2026, 11, 1, tzinfo=UTC),
        "h/bb/app.js": datetime(2026, 11, 3, tzinfo=UTC),
        "h/bb/core/api.js": datetime(2026, 11, 1, tzinfo=UTC),
        "h/cc/app.js": datetime(2026, 11, 2, tzinfo=UTC),
    }

    assert outdated(times, current="h/cc", before="h/cc") == ["h/aa/app.js"]
    assert outdated(times, current="h/cc", before=None) == ["h/aa/app.js"]


def test_a_folder_without_a_page_is_refused(deployed: Deployed) -> None:
    deployed.deploy()
    (deployed.root / "index.html").unlink()

    with pytest.raises(StackUnusable, match=r"has no index\.html"):
        deployed.upload()


def test_a_stack_without_a_gallery_names_the_parameter(deployed: Deployed) -> None:
    deployed.deploy(Gallery="false")

    with pytest.raises(StackUnusable, match='PARAMETERS="Gallery=true"'):
        deployed.upload()


def test_a_stack_that_does_not_exist_is_named(deployed: Deployed) -> None:
    with pytest.raises(StackUnusable, match="darkroom-dev cannot be read"):
        deployed.upload()
