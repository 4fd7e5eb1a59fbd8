"""Instants as options of commands."""

from datetime import datetime

from shared.clock import parse_instant
from shared.errors import ConfigError


def instant(text: str | None) -> datetime | None:
    """ConfigError shows how an instant is written."""
    try:
        return parse_instant(text) if text else None
    except ValueError:
        raise ConfigError(f"--as-of is {text!r}, not an instant.", fix="Write it as 2025-10-31T00:00:00Z.") from None
