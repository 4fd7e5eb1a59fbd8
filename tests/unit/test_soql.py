import pytest

from sandbox.soql import MalformedQueryError, parse

ROWS: list[dict[str, object]] = [
    {"Id": "1", "At": "2025-01-01", "IsConverted": True, "Crd": None},
    {"Id": "2", "At": "2025-02-01", "IsConverted": False, "Crd": "7"},
    {"Id": "3", "At": "2025-03-01", "IsConverted": False, "Crd": "8"},
]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", ["1", "2", "3"]),
        (" WHERE Id IN ('1', '3')", ["1", "3"]),
        (" WHERE At >= 2025-02-01 AND IsConverted = false", ["2", "3"]),
        (" WHERE Crd != null", ["2", "3"]),
        (" WHERE Crd = null", ["1"]),
        (" ORDER BY At DESC LIMIT 2", ["3", "2"]),
    ],
)
def test_the_queries_we_send_are_understood(where: str, found: list[str]) -> None:
    assert [row["Id"] for row in parse(f"SELECT Id, Crd FROM Lead{where}").run(ROWS)] == found


@pytest.mark.parametrize("query", ["", "SELECT FROM Lead", "DELETE FROM Lead", "SELECT Id FROM Lead WHERE Name LIKE 'a%'"])
def test_what_is_not_understood_is_an_error_not_an_empty_answer(query: str) -> None:
    with pytest.raises(MalformedQueryError):
        parse(query).run(ROWS)
