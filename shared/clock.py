"""Time as a dependency. Every instant in the system is timezone-aware UTC."""

from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SteppedClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._now = utc(start)

    def now(self) -> datetime:
        return self._now

    def step(self, by: timedelta) -> None:
        self._now += by


def utc(moment: datetime) -> datetime:
    """The same instant in UTC; a naive datetime is refused, since its zone would be a guess."""
    if moment.tzinfo is None:
        message = f"{moment.isoformat()} has no time zone; write it as {moment.isoformat()}Z"
        raise ValueError(message)
    return moment.astimezone(UTC)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant with a zone, in UTC. Salesforce writes `+0000`, others `Z`.

    Raises ValueError when the text is no instant or names no zone.
    """
    return utc(datetime.fromisoformat(text))


def isoformat(moment: datetime) -> str:
    """`2025-01-31T12:00:00Z`: the one way instants are written in messages and fields."""
    return utc(moment).isoformat().replace("+00:00", "Z")
