"""The bodies of responses about credits and callbacks, as types.

This module evaluates annotations at once (no `from __future__ import annotations`). Otherwise
typing compiles each annotation at every cold start.
"""

from typing import Literal, TypedDict

from darkroom.schemas.formats import Time, defer_builds

type EntryKind = Literal["grant", "correction", "hold", "settle", "release"]


class BalanceResponse(TypedDict):
    """The balance of an account in credits: `granted` = `available` + `held` + `spent`.

    `in_flight` is the number of open jobs.
    """

    available: int
    held: int
    spent: int
    granted: int
    in_flight: int


class EntryResponse(TypedDict):
    """A ledger entry: the signed changes that one transaction made to the balance.

    In each entry, `granted` = `available` + `held` + `spent`.
    """

    id: str
    kind: EntryKind
    granted: int
    available: int
    held: int
    spent: int
    job_id: str | None
    reference: str | None
    created_at: Time


class EntryPageResponse(TypedDict):
    """A page of ledger entries, newest first. `next_cursor` is null on the last page."""

    entries: list[EntryResponse]
    next_cursor: str | None


class SecretResponse(TypedDict):
    """The secret that signs callbacks (Standard Webhooks).

    After a rotation, the `previous` secret signs too until `previous_until`.
    """

    secret: str
    previous: str | None
    previous_until: Time | None


class DeliveryResponse(TypedDict):
    """The result of a test callback.

    `delivered` is true if the response was 2xx. `status` is null if no response arrived in time.
    """

    delivered: bool
    status: int | None


defer_builds(vars())
