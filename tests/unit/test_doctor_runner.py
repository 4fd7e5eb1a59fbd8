"""Running checks: none hides another, and a fault is a line."""

import threading
from collections.abc import Iterator

from ops.doctor.check import Check, Line, NotSeen, green, red, run
from shared.errors import DataError


def _good() -> Iterator[Line]:
    yield green("good", "is there")


def _falls_over() -> Iterator[Line]:
    yield red("half", "is broken", "mend it")
    raise ZeroDivisionError("nothing")


def _refused() -> Iterator[Line]:
    raise DataError("There is no table.", fix="Load it.")
    yield


def _unseen() -> Iterator[Line]:
    raise NotSeen("nobody may look", fix="grant it")
    yield


def test_a_fault_inside_a_check_is_its_own_red_line_and_hides_nothing() -> None:
    checks = [Check("a", "falls", _falls_over), Check("b", "refused", _refused), Check("a", "good", _good), Check("b", "unseen", _unseen)]
    heard: list[str] = []
    first, second = run(checks, heard.append)
    assert [(line.name, line.outcome) for line in first.lines] == [("half", "red"), ("falls", "red"), ("good", "green")]
    assert first.lines[1].words == "the check itself failed: ZeroDivisionError: nothing"
    assert [(line.name, line.outcome, line.mend) for line in second.lines] == [
        ("refused", "red", "Load it."), ("unseen", "not checked", "grant it"),
    ]  # fmt: skip
    assert sorted(heard) == ["falls", "good", "refused", "unseen"]
    assert (first.area, first.count("red"), second.count("red")) == ("a", 2, 1)


def test_checks_run_beside_each_other() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meets() -> Iterator[Line]:
        meeting.wait()
        yield green("met", "all were there at once")

    (found,) = run([Check("a", str(n), meets) for n in range(3)], lambda _: None)
    assert found.count("green") == 3
