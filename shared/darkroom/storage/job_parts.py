"""The lists in a job's row: the maps of attempts and outputs, and their conversion."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UTCDateTimeAttribute,
)

from darkroom.domain.jobs import Attempt, Output, StoredPreview


class MapListAttribute[Map: MapAttribute[str, Any]](ListAttribute[Map]):
    """A list of maps of one class.

    For each list that it reads, PynamoDB's own attribute copies all attributes of the map's class,
    even for an empty list. These copies are more than half of the time of reading a job's row.
    """

    def deserialize(self, values: list[dict[str, Any]]) -> list[Map]:
        """Return the maps of a stored list."""
        return [self._map_of(value["M"]) for value in values]

    def _map_of(self, stored: dict[str, Any]) -> Map:
        new: Map = self.element_type()  # type: ignore[assignment, misc] # PynamoDB's types allow None
        new.from_dynamodb_dict(stored)
        return new


class AttemptMap(MapAttribute[str, Any]):
    """An attempt, in the list `attempts` of a job's row."""

    number = NumberAttribute()
    nonce = UnicodeAttribute()
    state_entry = UnicodeAttribute()
    requested_at = UTCDateTimeAttribute()
    lease_until = UTCDateTimeAttribute()
    requests_count = NumberAttribute(default=1)
    abandoned = BooleanAttribute(default=False)
    prediction_id = UnicodeAttribute(null=True)
    finished_at = UTCDateTimeAttribute(null=True)
    finished_outputs: ListAttribute[UnicodeAttribute] = ListAttribute(
        of=UnicodeAttribute, null=True
    )
    unanswered_count = NumberAttribute(null=True)


class PreviewMap(MapAttribute[str, Any]):
    """A preview, in the list `previews` of an output."""

    key = UnicodeAttribute()
    width = NumberAttribute()
    height = NumberAttribute()
    bytes = NumberAttribute()


class OutputMap(MapAttribute[str, Any]):
    """An output, in the list `outputs` of a job's row."""

    number = NumberAttribute()
    key = UnicodeAttribute()
    content_type = UnicodeAttribute()
    bytes = NumberAttribute()
    width = NumberAttribute()
    height = NumberAttribute()
    seconds = NumberAttribute(null=True)
    thumbnail_key = UnicodeAttribute(null=True)
    placeholder = UnicodeAttribute(null=True)
    previews: MapListAttribute[PreviewMap] = MapListAttribute(of=PreviewMap, null=True)
    frames = NumberAttribute(null=True)
    c2pa = BooleanAttribute(null=True)


def attempt_map(attempt: Attempt) -> AttemptMap:
    """Return the map of a new attempt."""
    return AttemptMap(  # type: ignore[no-untyped-call]
        number=attempt.number,
        nonce=attempt.nonce,
        state_entry=attempt.state_entry,
        requested_at=attempt.requested_at,
        lease_until=attempt.lease_until,
        requests_count=attempt.requests_count,
    )


def output_map(output: Output) -> OutputMap:
    """Return the map of an output."""
    return OutputMap(  # type: ignore[no-untyped-call]
        number=output.number,
        key=output.key,
        content_type=output.content_type,
        bytes=output.bytes,
        width=output.width,
        height=output.height,
        seconds=output.seconds,
        thumbnail_key=output.thumbnail_key,
        placeholder=output.placeholder,
        previews=[_preview_map(preview) for preview in output.previews] or None,
        frames=output.frames,
        c2pa=output.c2pa,
    )


def _preview_map(preview: StoredPreview) -> PreviewMap:
    return PreviewMap(  # type: ignore[no-untyped-call]
        key=preview.key, width=preview.width, height=preview.height, bytes=preview.bytes
    )


def to_attempt(row: AttemptMap) -> Attempt:
    """Return the attempt in a map."""
    return Attempt(
        number=int(row.number),
        nonce=row.nonce,
        state_entry=row.state_entry,
        requested_at=row.requested_at,
        lease_until=row.lease_until,
        requests_count=int(row.requests_count),
        abandoned=bool(row.abandoned),
        prediction_id=row.prediction_id,
        finished_at=row.finished_at,
        finished_outputs=tuple(str(key) for key in row.finished_outputs or ()),
        unanswered_count=int(row.unanswered_count or 0),
    )


def to_output(row: OutputMap) -> Output:
    """Return the output in a map."""
    return Output(
        number=int(row.number),
        key=row.key,
        content_type=row.content_type,
        bytes=int(row.bytes),
        width=int(row.width),
        height=int(row.height),
        seconds=row.seconds,
        thumbnail_key=row.thumbnail_key,
        placeholder=row.placeholder,
        previews=tuple(_to_preview(preview) for preview in row.previews or ()),
        frames=int(row.frames) if row.frames is not None else None,
        c2pa=row.c2pa,
    )


def _to_preview(row: PreviewMap) -> StoredPreview:
    return StoredPreview(row.key, int(row.width), int(row.height), int(row.bytes))
