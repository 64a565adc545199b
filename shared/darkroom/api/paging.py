"""The query parameters of every list."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from darkroom.schemas.requests import PageSize
from darkroom.settings import settings
from darkroom.storage.index_pages import CURSOR_CHARACTERS_MAX

PAGE_SIZE = settings().page_size

Limit = Annotated[PageSize, Query(description="The maximum number of items on the page.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=200,
        description="The `next_cursor` of the previous page. Omit it to read the first page.",
    ),
]
AdminCursor = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        description="The `next_cursor` of the previous page. Omit it to read the first page.",
    ),
]
