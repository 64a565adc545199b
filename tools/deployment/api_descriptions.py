"""Removes the API descriptions of AWS services that Darkroom does not call from a build.

botocore has one for each of about 430 services: 19 MB, which every function would contain.
"""

from __future__ import annotations

import shutil
from pathlib import Path

SERVICES = (
    "cognito-idp",
    "dynamodb",
    "events",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "stepfunctions",
)
"""The services that the functions call, by their names in botocore."""


def remove_unused(directory: Path) -> None:
    """Remove the descriptions of all other services from the layers of a build.

    The files beside them are for all services, and stay.
    """
    for data in directory.glob("*/python/botocore/data"):
        for service in data.iterdir():
            if service.is_dir() and service.name not in SERVICES:
                shutil.rmtree(service)
