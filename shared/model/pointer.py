"""Which version plays a role, and how it came to."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from shared.clock import parse_instant
from shared.score import Role

Move = Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which version plays a role, who said so and why; on what evidence (`basis`), how, and which version played it before."""

    version: str
    moved_at: str
    moved_by: str
    reason: str
    generation: int = 0
    basis: str = ""
    move: Move = "promote"
    previous: str | None = None

    def to_bytes(self) -> bytes:
        """As stored: the generation is the store's own."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "generation"}, indent=1).encode()


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the history: a pointer as it was moved."""

    role: Role
    pointer: Pointer

    @property
    def name(self) -> str:
        return f"registry/history/{self.pointer.moved_at}-{self.role}-{self.pointer.generation}.json"

    def to_bytes(self) -> bytes:
        return json.dumps({"role": self.role, **json.loads(self.pointer.to_bytes())}).encode()

    @property
    def order(self) -> tuple[datetime, int]:
        return parse_instant(self.pointer.moved_at), self.pointer.generation

    @classmethod
    def read(cls, name: str, line: bytes) -> "Step":
        said = json.loads(line)
        generation = int(name.removesuffix(".json").rsplit("-", 1)[1])
        return cls(said.pop("role"), Pointer(**said, generation=generation))
