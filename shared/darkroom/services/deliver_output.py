"""Stores one output of a job whole, and makes its small images (variants).

The order of the steps makes a kill at any moment safe:

1. `identify` the file. Put it into the bucket under a new key.
2. Record on the job that this output is being decoded (`decoding`).
3. Decode the file. Put its variants.
4. Record the output. The same write removes `decoding`.

If the execution environment is killed in step 3, the next invocation finds `decoding` on the job.
It does not decode the file again. It delivers the stored object without variants. A file that is
not whole is deleted, and downloaded again by a retry of the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Any

from darkroom import clock
from darkroom.domain.errors import GenerationFailed, OutputUnavailable
from darkroom.domain.file_types import FileType
from darkroom.domain.jobs import Decoding, Job, Output, StoredPreview
from darkroom.domain.outputs import (
    CorruptOutput,
    DecodeBudgetExceeded,
    OutputFile,
    Variants,
)
from darkroom.media import bucket
from darkroom.media.outputs import inspect, provenance
from darkroom.media.outputs.download import fetch_output
from darkroom.media.outputs.variants import make_variants
from darkroom.observability import Metric, count, logger
from darkroom.providers import output_headers
from darkroom.services.choose_outputs import is_stored
from darkroom.storage import jobs


@dataclass(frozen=True, slots=True)
class _StoredVariants:
    thumbnail_key: str | None = None
    placeholder: str | None = None
    previews: tuple[StoredPreview, ...] = ()


def deliver_output(job: Job, number: int, outputs: Sequence[str]) -> Job:
    """Store an output of a prediction, record it on the job, and return the updated job.

    `outputs` are the prediction's outputs, `number` is the index of this one. Does nothing if the
    output is stored already, or if the job has ended. Raises OutputUnavailable if another download
    may help, and GenerationFailed if the output cannot be delivered.
    """
    while not job.status.is_final and not _is_delivered(job, number):
        job = (
            _deliver_decoded(job, job.decoding, outputs)
            if job.decoding
            else _deliver(job, number, outputs)
        )
    return job


def _is_delivered(job: Job, number: int) -> bool:
    return number in {output.number for output in job.outputs}


def _deliver(job: Job, number: int, outputs: Sequence[str]) -> Job:
    with _open(job, outputs[number]) as file:
        file_type = _identify(file)
        key = _key_for(job, number, outputs[number], file_type)
        bucket.put(key, file, file_type.content_type, bucket.metadata_of(job))
        decoding = Decoding(number, key)
        if not jobs.record_decoding(job, decoding):
            # Another invocation stores outputs of the same job, or the write was repeated.
            job = jobs.read(job.account, job.job_id)
            if job.decoding != decoding:
                return _discard(job, decoding, outputs)
        job = replace(job, decoding=decoding)
        try:
            found, image = _decode(number, file, file_type)
        except CorruptOutput as error:
            logger.warning("output corrupt", number=number, cause=str(error))
            job = _discard(job, decoding, outputs)
            if _is_delivered(job, number):
                return job
            raise OutputUnavailable("corrupt") from error
        except GenerationFailed:
            _discard(job, decoding, outputs)
            raise
        variants = _store_variants(job, number, image)
        return _record(job, _output(decoding, file, file_type, found, variants), outputs)


def _deliver_decoded(job: Job, decoding: Decoding, outputs: Sequence[str]) -> Job:
    """Deliver the output that an earlier invocation was decoding, without decoding it.

    If its object is missing or has no whole header, it is discarded, and can be downloaded again.
    """
    try:
        with bucket.open_object(decoding.key) as file:
            file_type = inspect.identify(file)
            found = inspect.read_header(file, file_type)
            output = _output(decoding, file, file_type, found, _StoredVariants())
    except (CorruptOutput, GenerationFailed) as error:
        logger.warning("output discarded", number=decoding.number, cause=str(error))
        return _discard(job, decoding, outputs)
    _count_without_variants(decoding.number, "an earlier invocation ended while it decoded")
    return _record(job, output, outputs)


def _open(job: Job, output: str) -> IO[bytes]:
    """Open an output: read it from the bucket if the provider stored it there, or download it."""
    if is_stored(job, output):
        return bucket.open_object(output)
    return fetch_output(output, partial(output_headers, job.model_input.provider))


def _identify(file: IO[bytes]) -> FileType:
    try:
        return inspect.identify(file)
    except CorruptOutput as error:
        raise OutputUnavailable(str(error)) from error


def _key_for(job: Job, number: int, output: str, file_type: FileType) -> str:
    """Return the key for an output: its own if the provider stored it there, or a new one."""
    is_named = output.endswith(f".{file_type.extension}")
    return (
        output
        if is_stored(job, output) and is_named
        else bucket.new_output_key(job, number, file_type.extension)
    )


def _decode(number: int, file: IO[bytes], file_type: FileType) -> tuple[OutputFile, Any]:
    """Decode a file. The image is None if decoding exceeds its budget."""
    try:
        return inspect.decode(file, file_type)
    except DecodeBudgetExceeded as error:
        _count_without_variants(number, str(error))
        return inspect.read_header(file, file_type), None


def _store_variants(
    job: Job,
    number: int,
    image: Any,  # noqa: ANN401 (pyvips)
) -> _StoredVariants:
    if image is None:
        return _StoredVariants()
    try:
        xmp = provenance.xmp_packet(model=job.model_input.model, at=clock.now())
        return _put_variants(job, number, make_variants(image, xmp=xmp))
    except Exception as error:  # noqa: BLE001 (missing variants must not fail a paid job)
        _count_without_variants(number, f"{type(error).__name__}: {error}")
        return _StoredVariants()


def _put_variants(job: Job, number: int, variants: Variants) -> _StoredVariants:
    thumbnail_key = bucket.thumbnail_key(job, number)
    bucket.put(thumbnail_key, variants.thumbnail, "image/jpeg")
    previews = []
    for preview in variants.previews:
        key = bucket.preview_key(job, number, max(preview.width, preview.height))
        bucket.put(key, preview.body, "image/webp")
        previews.append(StoredPreview(key, preview.width, preview.height, len(preview.body)))
    return _StoredVariants(thumbnail_key, variants.placeholder, tuple(previews))


def _count_without_variants(number: int, cause: str) -> None:
    logger.warning("output without variants", number=number, cause=cause)
    count(Metric.OUTPUTS_WITHOUT_VARIANTS)


def _output(
    decoding: Decoding,
    file: IO[bytes],
    file_type: FileType,
    found: OutputFile,
    variants: _StoredVariants,
) -> Output:
    size_bytes = file.seek(0, 2)
    return Output(
        number=decoding.number,
        key=decoding.key,
        content_type=found.content_type,
        bytes=size_bytes,
        width=found.width,
        height=found.height,
        seconds=found.seconds,
        thumbnail_key=variants.thumbnail_key,
        placeholder=variants.placeholder,
        previews=variants.previews,
        frames=found.frames,
        c2pa=provenance.has_c2pa(file, file_type),
    )


def _record(job: Job, output: Output, outputs: Sequence[str]) -> Job:
    """Record an output, and return the updated job.

    The write is refused if another invocation has delivered the object, or if the job has ended.
    """
    if jobs.record_output(job, output):
        return replace(job, outputs=(*job.outputs, output), decoding=None)
    return _discard(job, Decoding(output.number, output.key), outputs)


def _discard(job: Job, decoding: Decoding, outputs: Sequence[str]) -> Job:
    """Delete an object that will not be delivered, and return the job as it is recorded.

    After `clear_decoding`, no invocation can record the object any more. So only an object that is
    an output already must stay.
    """
    jobs.clear_decoding(job, decoding)
    job = jobs.read(job.account, job.job_id)
    is_delivered = decoding.key in {output.key for output in job.outputs}
    if not is_delivered and decoding.key not in outputs:
        bucket.delete(decoding.key)
    return job
