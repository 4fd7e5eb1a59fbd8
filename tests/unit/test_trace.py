import pytest

from functions.trace import trace_of

TRACE = "105445aa7843bc8bf206b12000100000"


def test_a_trace_header_becomes_the_fields_cloud_logging_joins_by() -> None:
    assert trace_of(f"{TRACE}/10;o=1", "example-project") == {
        "logging.googleapis.com/trace": f"projects/example-project/traces/{TRACE}",
        "logging.googleapis.com/spanId": "000000000000000a",
    }
    assert list(trace_of(TRACE, "p")) == ["logging.googleapis.com/trace"]


@pytest.mark.parametrize("header", ["", "x", TRACE[:-1], f"{TRACE}/abc", f"{TRACE}/1;o=1\n", f'{TRACE}"}}', "0" * 1000])
def test_anything_else_is_no_trace(header: str) -> None:
    assert trace_of(header, "p") == {}
