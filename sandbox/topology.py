"""What `infra/functions.yaml` declares: the functions, and what fires each."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.config import ROOT
from shared.documents import Document, load

DECLARED: Path = ROOT / "infra" / "functions.yaml"
TIMEOUT_SECONDS = 60
"""Of a function that does not say, as in infra/topology.tf."""


class Function(Document):
    """`publishes`, `reads`, `writes`, `models`, `keeps` (one object), `secrets`: all it may touch.

    The rest is size, with Terraform's defaults where None.
    """

    trigger: Literal["http", "topic", "schedule"]
    topic: str = ""
    schedule: str = ""
    publishes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    models: bool = False
    keeps: str = ""
    secrets: tuple[str, ...] = ()
    timeout_seconds: int | None = None
    memory: str | None = None
    max_instances: int | None = None
    concurrency: int | None = None

    @property
    def timeout(self) -> int:
        return self.timeout_seconds or TIMEOUT_SECONDS


class Job(Document):
    """A Cloud Run job, started with `arguments`; `models: write` may register a model."""

    schedule: str
    arguments: tuple[str, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    models: Literal["read", "write"] = "read"


class Retry(Document):
    min_backoff_seconds: int
    max_backoff_seconds: int
    max_delivery_attempts: int


class Topology(Document):
    topics: tuple[str, ...]
    schemas: dict[str, str]
    retry: Retry
    functions: dict[str, Function]
    jobs: dict[str, Job] = Field(default_factory=dict)


def topology() -> Topology:
    return load(DECLARED, Topology)
