"""One JSON line an event, named in the past tense. Cloud Logging reads `severity` and `message` by itself."""

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger


def _severity(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["severity"] = method.upper()
    event["message"] = event.pop("event")
    return event


structlog.configure(
    processors=[structlog.contextvars.merge_contextvars, _severity, structlog.processors.JSONRenderer()],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
