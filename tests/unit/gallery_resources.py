"""The resources of the gallery in the template, with every reference resolved."""

from __future__ import annotations

from typing import Any

from local.cloudformation.intrinsics import stack_id
from tests.unit.resolved_template import resolver_of, translated

GALLERY = {"Gallery": "true"}
OWN_DOMAIN = GALLERY | {
    "GalleryDomain": "gallery.example.com",
    "GalleryCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/one-two",
}
ISSUER = GALLERY | {"JwtIssuer": "https://id.example.com/realm", "JwtAudience": "darkroom"}
OF_ISSUER = {"GalleryClient", "GallerySignIn", "GallerySignInStyle"}
ALL = OF_ISSUER | {
    "GalleryAccess",
    "GalleryBucket",
    "GalleryBucketPolicy",
    "GalleryDistribution",
    "GalleryHeaders",
    "GalleryPaths",
}
CLOUDFRONT = "arn:aws:cloudfront::123456789012"
COGNITO = "https://cognito-idp.us-east-1.amazonaws.com"
PREFIX = f"darkroom-{stack_id('one').rpartition('/')[2]}"
SIGN_IN = "auth.us-east-1.amazoncognito.com"
# The name that the resolver gives to the reference.
ORIGIN = "https://one-GalleryDistribution-DomainName"


def properties(
    name: str, parameters: dict[str, str] = GALLERY, stack: str = "one"
) -> dict[str, Any]:
    """Return the resolved properties of one resource."""
    declared = translated(parameters)["Resources"][name]["Properties"]
    found: dict[str, Any] = resolver_of(parameters, stack).resolve(declared)
    return found


def outputs(parameters: dict[str, str]) -> dict[str, str]:
    """Return the outputs that exist."""
    resolver = resolver_of(parameters)
    return {
        name: resolver.resolve(output["Value"])
        for name, output in translated(parameters)["Outputs"].items()
        if "Condition" not in output or resolver.condition(output["Condition"])
    }


def audience(parameters: dict[str, str]) -> list[str]:
    """Return the audiences that the API accepts."""
    (scheme,) = properties("HttpApi", parameters)["Body"]["components"]["securitySchemes"].values()
    found: list[str] = scheme["x-amazon-apigateway-authorizer"]["jwtConfiguration"]["audience"]
    return found
