"""The metrics of AWS that alarms and the dashboard use, as AWS's documents list them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Namespace:
    """The metrics of one namespace by name, each with its possible sets of dimensions."""

    source: str
    metrics: Mapping[str, tuple[frozenset[str], ...]]


def _dimensions(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in sets)


_FUNCTION = _dimensions("FunctionName", "FunctionName Resource")
_STAGE = _dimensions("ApiId", "ApiId Stage")
_EXECUTIONS = _dimensions("StateMachineArn", "StateMachineArn Version", "StateMachineArn Alias")
_QUEUE = _dimensions("QueueName")
_TABLE_OR_INDEX = _dimensions("TableName", "TableName GlobalSecondaryIndexName")

NAMESPACES: Mapping[str, Namespace] = {
    "AWS/Lambda": Namespace(
        "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html",
        {"Errors": _FUNCTION, "Throttles": _FUNCTION, "Duration": _FUNCTION},
    ),
    # The names for REST APIs are others: 5XXError and the dimension ApiName.
    "AWS/ApiGateway": Namespace(
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html",
        dict.fromkeys(("Count", "4xx", "5xx", "Latency", "IntegrationLatency"), _STAGE),
    ),
    # ExecutionThrottled has no plural, unlike the others.
    "AWS/States": Namespace(
        "https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html",
        dict.fromkeys(
            (
                "ExecutionsAborted",
                "ExecutionsFailed",
                "ExecutionsStarted",
                "ExecutionsSucceeded",
                "ExecutionsTimedOut",
                "ExecutionThrottled",
            ),
            _EXECUTIONS,
        ),
    ),
    "AWS/SQS": Namespace(
        "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
        "sqs-available-cloudwatch-metrics.html",
        dict.fromkeys(
            ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"), _QUEUE
        ),
    ),
    # ThrottledRequests has the dimension Operation too, so no alarm reads it for a whole table.
    # The dimension TableName alone excludes the indexes.
    "AWS/DynamoDB": Namespace(
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html",
        {
            "ConsumedReadCapacityUnits": _TABLE_OR_INDEX,
            "ConsumedWriteCapacityUnits": _TABLE_OR_INDEX,
            "ReadThrottleEvents": _TABLE_OR_INDEX,
            "WriteThrottleEvents": _TABLE_OR_INDEX,
            "ThrottledRequests": _dimensions("TableName Operation"),
        },
    ),
}

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html
METRICS_PER_MATH_ALARM_MAX = 10

# The variables of an access log of an HTTP API that have no personal data:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
ACCESS_LOG_VARIABLES = {
    "$context.authorizer.claims.sub",
    "$context.authorizer.error",
    "$context.awsEndpointRequestId",
    "$context.error.message",
    "$context.integration.integrationStatus",
    "$context.integrationErrorMessage",
    "$context.integrationLatency",
    "$context.path",
    "$context.requestId",
    "$context.requestTime",
    "$context.responseLatency",
    "$context.responseLength",
    "$context.routeKey",
    "$context.status",
}
