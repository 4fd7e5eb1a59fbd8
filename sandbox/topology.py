"""What `infra/functions.yaml` declares: the functions, and what fires each."""

from pathlib import Path
from typing import Literal

from shared.config import ROOT
from shared.documents import Document, load

DECLARED: Path = ROOT / "infra" / "functions.yaml"


class Function(Document):
    trigger: Literal["http", "topic", "schedule"]
    topic: str = ""
    schedule: str = ""


class Retry(Document):
    min_backoff_seconds: int
    max_backoff_seconds: int
    max_delivery_attempts: int


class Topology(Document):
    topics: tuple[str, ...]
    schemas: dict[str, str]
    retry: Retry
    functions: dict[str, Function]


def topology() -> Topology:
    return load(DECLARED, Topology)
