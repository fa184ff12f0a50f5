"""Telemetry: one structured log line for each request, with ids and codes and never a body, a token or a secret."""

from aws_lambda_powertools import Logger

logger = Logger(serialize_stacktrace=False)
"""Named by POWERTOOLS_SERVICE_NAME, at the level of POWERTOOLS_LOG_LEVEL."""
