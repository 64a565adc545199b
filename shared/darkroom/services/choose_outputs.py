"""Chooses the outputs of a prediction that Darkroom delivers, among all links in its output."""

from __future__ import annotations

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job
from darkroom.domain.predictions import Prediction
from darkroom.domain.urls import host_of, is_delivery_url
from darkroom.media import bucket
from darkroom.observability import logger
from darkroom.settings import settings


def choose_outputs(job: Job, prediction: Prediction) -> tuple[str, ...]:
    """Return the first outputs, as many as the job asked for.

    An output is a link to a delivery host, or the key of an object of this job. A model may also
    return links to pages and to its inputs, and the same link twice. Such links are ignored.
    Raises GenerationFailed if the prediction has links, and none of them leads to a delivery host.
    The log then has the hosts.
    """
    outputs = [output for output in dict.fromkeys(prediction.outputs) if is_output(job, output)]
    ignored = {host_of(output) for output in prediction.outputs if output not in outputs}
    if ignored:
        logger.warning("links ignored", hosts=sorted(ignored), outputs=len(outputs))
    if ignored and not outputs:
        raise GenerationFailed(failure(FailureCode.OUTPUT_HOST_REFUSED))
    return tuple(outputs[: job.model_input.outputs_count])


def is_output(job: Job, output: str) -> bool:
    """Return whether Darkroom delivers this output."""
    return is_stored(job, output) or is_delivery_url(
        output, settings().delivery_hosts, settings().private_hosts
    )


def is_stored(job: Job, output: str) -> bool:
    """Return whether an output is an object. Only the job's own prefix is read from the bucket."""
    return output.startswith(bucket.prefix_of(job.account, job.job_id))
