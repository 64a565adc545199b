"""The gallery on AWS: it needs its parameter, is private, and sends strict headers."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from local.cloudformation.intrinsics import Resolver, parameter_values, pseudo_parameters
from tests.aws import TEMPLATE
from tests.unit.gallery_resources import (
    ALL,
    CLOUDFRONT,
    COGNITO,
    GALLERY,
    ISSUER,
    ORIGIN,
    OWN_DOMAIN,
    PREFIX,
    SIGN_IN,
    audience,
    outputs,
    properties,
)
from tests.unit.resolved_template import NamedReferences, broken_rules, resolved, translated
from tools.web.files import content_security_policy, security_headers


def distribution(parameters: dict[str, str] = GALLERY) -> dict[str, Any]:
    found: dict[str, Any] = properties("GalleryDistribution", parameters)["DistributionConfig"]
    return found


def policy(parameters: dict[str, str]) -> str:
    headers = properties("GalleryHeaders", parameters)["ResponseHeadersPolicyConfig"]
    text: str = headers["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    return text


def cors(parameters: dict[str, str]) -> dict[str, Any]:
    return dict(properties("HttpApi", parameters)["Body"]["x-amazon-apigateway-cors"])


def allowed_origins(parameters: dict[str, str]) -> list[list[str]]:
    """Return the origins that the API and the bucket of the media allow."""
    (rule,) = properties("MediaBucket", parameters)["CorsConfiguration"]["CorsRules"]
    return [cors(parameters)["allowOrigins"], rule["AllowedOrigins"]]


def test_without_its_parameter_nothing_of_the_gallery_exists() -> None:
    assert not ALL & resolved({}).keys()
    assert not [name for name in outputs({}) if name.startswith("Gallery")]
    assert allowed_origins({}) == [["*"], ["*"]]
    assert audience({}) == ["one-UserPoolClient"]


def test_the_gallery_changes_only_the_audience_of_the_api_if_all_origins_are_allowed() -> None:
    before, after = resolved({}), resolved(GALLERY)

    assert after.keys() - before.keys() == ALL
    assert [name for name in before if before[name] != after[name]] == ["HttpApi"]
    assert audience(GALLERY) == ["one-UserPoolClient", "one-GalleryClient"]


@pytest.mark.parametrize(
    ("parameters", "origin"), [(GALLERY, ORIGIN), (OWN_DOMAIN, "https://gallery.example.com")]
)
def test_the_origin_of_the_gallery_is_allowed_beside_the_others(
    parameters: dict[str, str], origin: str
) -> None:
    others = {"AllowedOrigins": "https://a.example,https://b.example"}
    expected = ["https://a.example", "https://b.example", origin]

    assert allowed_origins(parameters | others) == [expected, expected]
    assert allowed_origins(others) == [expected[:2], expected[:2]]
    assert allowed_origins(parameters) == [["*"], ["*"]]


def test_the_origin_of_the_gallery_changes_nothing_else_of_cors() -> None:
    others = {"AllowedOrigins": "https://a.example"}

    with_gallery, without = (cors(others | more) for more in (GALLERY, {}))

    assert with_gallery.pop("allowOrigins") != without.pop("allowOrigins")
    assert with_gallery == without != {}


def test_only_the_distribution_of_the_gallery_may_read_its_bucket() -> None:
    bucket = properties("GalleryBucket")
    over_tls, readable = properties("GalleryBucketPolicy")["PolicyDocument"]["Statement"]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert (over_tls["Effect"], over_tls["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    assert readable == {
        "Sid": "ReadByGalleryDistribution",
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": "one-GalleryBucket-Arn/*",
        "Condition": {
            "StringEquals": {"AWS:SourceArn": f"{CLOUDFRONT}:distribution/one-GalleryDistribution"}
        },
    }


def test_cloudfront_signs_its_requests_to_the_bucket() -> None:
    (origin,) = distribution()["Origins"]
    access = properties("GalleryAccess")["OriginAccessControlConfig"]

    assert origin["OriginAccessControlId"] == "one-GalleryAccess"
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    assert (access["SigningBehavior"], access["SigningProtocol"]) == ("always", "sigv4")


def test_every_behavior_compresses_redirects_to_tls_and_sends_the_headers() -> None:
    config = distribution()
    behaviors = [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]

    assert [each.get("PathPattern") for each in behaviors] == [None, "h/*"]
    for each in behaviors:
        assert each["Compress"] is True
        assert each["ViewerProtocolPolicy"] == "redirect-to-https"
        assert each["ResponseHeadersPolicyId"] == "one-GalleryHeaders"
        assert each["AllowedMethods"] == ["GET", "HEAD"]
        # CachingOptimized: CloudFront follows Cache-Control (CloudFront Developer Guide, "Use
        # managed cache policies").
        assert each["CachePolicyId"] == "658327ea-f89d-4fab-a63d-7e88639e58f6"
    assert config["HttpVersion"] == "http2and3"


def test_an_own_domain_has_its_certificate_and_no_old_version_of_tls() -> None:
    config = distribution(OWN_DOMAIN)

    assert config["Aliases"] == ["gallery.example.com"]
    assert config["ViewerCertificate"] == {
        "AcmCertificateArn": OWN_DOMAIN["GalleryCertificateArn"],
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }
    assert distribution()["Aliases"] == []
    assert distribution()["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}


@pytest.mark.parametrize(
    ("parameters", "api", "sign_in"),
    [
        (
            {},
            "https://*.execute-api.us-east-1.amazonaws.com",
            f"{COGNITO} https://{PREFIX}.{SIGN_IN}",
        ),
        (
            {"PublicUrl": "https://api.example.com/v1", "GallerySignInPrefix": "photos"},
            "https://api.example.com",
            f"{COGNITO} https://photos.{SIGN_IN}",
        ),
        (
            {"PublicUrl": "none", "GallerySignInHost": "auth.example.com"},
            "https://*.execute-api.us-east-1.amazonaws.com",
            f"{COGNITO} https://auth.example.com",
        ),
        (
            ISSUER | {"PublicUrl": "http://127.0.0.1:8000/base"},
            "http://127.0.0.1:8000",
            "https://id.example.com",
        ),
    ],
)
def test_the_policy_is_that_of_the_page_with_the_hosts_of_the_region(
    parameters: dict[str, str], api: str, sign_in: str
) -> None:
    expected = content_security_policy(api="API", bucket="BUCKET", sign_in=sign_in)
    bucket = "https://*.s3.amazonaws.com"

    found = policy(GALLERY | parameters)

    assert found == expected.replace("API", api).replace("BUCKET", bucket)


def test_the_other_security_headers_are_those_of_the_local_stack() -> None:
    config = properties("GalleryHeaders")["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    custom = {each["Header"]: each["Value"] for each in config["CustomHeadersConfig"]["Items"]}
    expected = dict(security_headers(policy(GALLERY)))

    assert expected.pop("X-Content-Type-Options") == "nosniff"
    assert "ContentTypeOptions" in security
    assert expected.pop("Referrer-Policy") == security["ReferrerPolicy"]["ReferrerPolicy"]
    assert expected.pop("Content-Security-Policy") == policy(GALLERY)
    assert custom == expected
    assert security["FrameOptions"]["FrameOption"] == "DENY"
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    assert all(
        each["Override"] for each in (*security.values(), *config["CustomHeadersConfig"]["Items"])
    )


def test_the_policy_names_the_host_of_links_in_each_region() -> None:
    """boto3 signs links to the global host in us-east-1, and to the region's host elsewhere."""
    template = translated(GALLERY)
    values = parameter_values(template, GALLERY) | pseudo_parameters("one")
    resolver = Resolver(template, values | {"AWS::Region": "eu-central-1"}, NamedReferences("one"))
    text = json.dumps(resolver.resolve(template["Resources"]["GalleryHeaders"]["Properties"]))

    assert "https://*.s3.eu-central-1.amazonaws.com" in text
    assert "us-east-1" not in text


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/", "/index.html"),
        ("/jobs", "/index.html"),
        ("/v1.2/jobs", "/index.html"),
        ("/jobs/", "/index.html"),
        ("/index.html", "/index.html"),
        ("/config.json", "/config.json"),
        ("/missing.js", "/missing.js"),
    ],
)
def test_a_path_without_an_extension_is_the_page(path: str, served: str) -> None:
    code = properties("GalleryPaths")["FunctionCode"]
    event = json.dumps({"request": {"uri": path, "method": "GET"}})
    ended = subprocess.run(
        ["node", "--eval", f"{code}\nconsole.log(JSON.stringify(handler({event})))"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(ended.stdout) == {"uri": served, "method": "GET"}


def test_the_function_of_paths_leaves_the_folders_of_hashes_alone() -> None:
    """A licence in a folder has no extension, and a missing file must not become the page."""
    config = distribution()
    (folders,) = config["CacheBehaviors"]

    assert folders["PathPattern"] == "h/*"
    assert "FunctionAssociations" not in folders
    assert config["DefaultCacheBehavior"]["FunctionAssociations"] == [
        {"EventType": "viewer-request", "FunctionARN": "one-GalleryPaths-FunctionARN"}
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"GalleryUrl": ORIGIN, "GallerySignInUrl": f"https://{PREFIX}.{SIGN_IN}"}),
        ({"GallerySignInPrefix": "photos"}, {"GallerySignInUrl": f"https://photos.{SIGN_IN}"}),
        (OWN_DOMAIN, {"GalleryUrl": "https://gallery.example.com", "GalleryHost": ORIGIN[8:]}),
        ({"PublicUrl": "https://api.example/v1"}, {"GalleryApiUrl": "https://api.example/v1"}),
        (
            {"PublicUrl": "none"},
            {"GalleryApiUrl": "https://one-HttpApi.execute-api.us-east-1.amazonaws.com"},
        ),
    ],
)
def test_the_outputs_lead_to_the_gallery(
    parameters: dict[str, str], expected: dict[str, str]
) -> None:
    assert expected.items() <= outputs(GALLERY | parameters).items()


@pytest.mark.parametrize(
    ("parameters", "rules"),
    [
        (OWN_DOMAIN, []),
        (
            {"GalleryDomain": "gallery.example.com"},
            ["GalleryDomainRequiresGalleryCertificateArn"],
        ),
        (
            {"GalleryCertificateArn": OWN_DOMAIN["GalleryCertificateArn"]},
            ["GalleryCertificateArnRequiresGalleryDomain"],
        ),
    ],
)
def test_a_domain_and_its_certificate_need_each_other(
    parameters: dict[str, str], rules: list[str]
) -> None:
    assert broken_rules(parameters) == rules


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("GalleryDomain", "gallery.example.com", True),
        ("GalleryDomain", "https://gallery.example.com", False),
        ("GalleryDomain", "gallery.example.com/x", False),
        ("GallerySignInHost", "auth.example.com; script-src *", False),
        ("GalleryCertificateArn", OWN_DOMAIN["GalleryCertificateArn"], True),
        (
            "GalleryCertificateArn",
            "arn:aws:acm:eu-central-1:123456789012:certificate/one-two",
            False,
        ),
        ("GallerySignInPrefix", "darkroom-1", True),
        ("GallerySignInPrefix", "Darkroom", False),
        ("BuyCreditsUrl", "https://shop.example/credits?user=1", True),
        ("BuyCreditsUrl", "javascript:alert(1)", False),
    ],
)
def test_values_that_cannot_work_are_refused(name: str, value: str, accepted: bool) -> None:
    pattern = TEMPLATE["Parameters"][name]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, value)) is accepted
    assert re.fullmatch(pattern, "")
