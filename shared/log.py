"""One JSON line an event, named in the past tense. Cloud Logging reads `severity`, `message` and the trace by itself."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars
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

about = bind_contextvars
"""Adds ids, such as `lead_id`, to every later event of the same delivery."""

_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)


@contextmanager
def delivery(**ids: str) -> Iterator[dict[str, float]]:
    """Every event inside carries `ids`. Yields the milliseconds spent so far in each `timed` step, as `<step>_ms`."""
    clear_contextvars()
    bind_contextvars(**ids)
    spent: dict[str, float] = {}
    token = _spent.set(spent)
    try:
        yield spent
    finally:
        _spent.reset(token)
        clear_contextvars()


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Adds what the block takes to this step of the delivery at hand."""
    started = perf_counter()
    try:
        yield
    finally:
        spent = _spent.get()
        if spent is not None:
            key = f"{step}_ms"
            spent[key] = round(spent.get(key, 0.0) + 1000 * (perf_counter() - started), 2)
