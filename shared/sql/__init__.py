"""Queries as files: `shared/sql/<name>/query.sql` beside the types of its parameters and its cases."""

import json
from functools import cache
from pathlib import Path

from shared.ports import Query

FOLDER = Path(__file__).parent


@cache
def load(name: str) -> Query:
    folder = FOLDER / name
    schema = json.loads((folder / "schema.json").read_text())
    return Query(name, (folder / "query.sql").read_text(), schema["params"])
