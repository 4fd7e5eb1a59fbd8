from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import SteppedClock, isoformat, parse_instant, utc


def test_salesforce_s_offset_without_a_colon_is_read() -> None:
    assert parse_instant("2025-01-31T12:00:00.000+0000") == datetime(2025, 1, 31, 12, tzinfo=UTC)


def test_another_zone_becomes_utc() -> None:
    assert isoformat(parse_instant("2025-01-31T12:00:00-05:00")) == "2025-01-31T17:00:00Z"


def test_a_naive_instant_is_refused_since_its_zone_would_be_a_guess() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        utc(datetime(2025, 1, 31))  # noqa: DTZ001 - the point


def test_a_stepped_clock_moves_only_when_told() -> None:
    clock = SteppedClock(datetime(2025, 1, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.step(timedelta(hours=1))
    assert clock.now() == datetime(2025, 1, 1, 1, tzinfo=UTC)
