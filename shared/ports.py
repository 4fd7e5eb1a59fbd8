"""What the domain needs of the outside world. Adapters live in `shared.adapters`, fakes in `tests.fakes`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
ParamType: TypeAlias = str | Mapping[str, str]
"""A GoogleSQL type such as `TIMESTAMP` or `ARRAY<STRING>`, or the fields of an array of structs."""

FieldValue: TypeAlias = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Query:
    """A GoogleSQL text and the types of its named parameters."""

    name: str
    sql: str
    params: Mapping[str, ParamType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """A small result: column names, and one tuple a row in that order."""

    columns: tuple[str, ...]
    values: list[tuple[object, ...]]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[dict[str, object]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.values)

    def into(self, kind: type[T]) -> list[T]:
        """Each row as a dataclass whose fields are named like the columns."""
        return [kind(**row) for row in self]


class Clock(Protocol):
    def now(self) -> datetime: ...


class Warehouse(Protocol):
    """The truth. Errors: WarehouseUnavailable (retry), DataError (the query does not fit the data)."""

    def query(self, query: Query, **params: object) -> Rows: ...

    def pages(self, query: Query, size: int, **params: object) -> Iterator[Rows]:
        """The same answer in parts of `size` rows (the last may hold fewer), so that memory does not grow with it."""
        ...

    def append(self, table: str, rows: Sequence[object]) -> int:
        """Insert dataclass rows whose declared key is not there yet; returns how many were new."""
        ...


class BulkWarehouse(Warehouse, Protocol):
    """What training needs beyond serving: whole columns and the shape of a table."""

    def arrow(self, query: Query, **params: object) -> "pa.Table": ...

    def insert(self, table: str, rows: "pa.Table") -> None:
        """Add rows to a declared table, by column name. Whoever calls knows that they are new."""
        ...

    def columns(self, table: str) -> Mapping[str, str]:
        """Column names and types of a table; DataError when there is no such table."""
        ...


@dataclass(frozen=True, slots=True)
class Blob:
    """An object's bytes and the generation they have."""

    data: bytes
    generation: int


class Objects(Protocol):
    """Immutable files and compare-and-swap pointers."""

    def read(self, name: str) -> Blob:
        """Raises ObjectMissing."""
        ...

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        """Write and return the new generation.

        `if_generation=0` asks that there be no object yet, another number that this be the present generation;
        PreconditionFailed otherwise.
        """
        ...

    def names(self, prefix: str) -> list[str]: ...


class Topic(Protocol):
    def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
        """Returns the message id once the message is safely stored; TopicUnavailable otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message nobody could deliver, with the reason its last receiver gave."""

    message_id: str
    body: bytes
    attributes: Mapping[str, str]
    published_at: str


class DeadLetters(Protocol):
    def peek(self, limit: int) -> list[DeadLetter]: ...

    def settle(self, handled: Callable[[DeadLetter], bool]) -> int:
        """Show each letter once to `handled`, and remove those it says True of. Returns how many were removed."""
        ...


@dataclass(frozen=True, slots=True)
class CrmLead:
    """A lead as Salesforce holds it now, with the values of the fields that were asked for."""

    lead_id: str
    crd: int | None
    is_converted: bool
    values: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CrmContact:
    """A lead that is in the stage that starts the clock; `modified_at` by Salesforce's clock (SystemModstamp)."""

    lead_id: str
    crd: int | None
    stage_entered_at: datetime
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class FieldUpdate:
    """Values for one Salesforce record, by API field name."""

    lead_id: str
    values: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """What Salesforce answered for one record. `error_code` is Salesforce's own word, empty on success."""

    lead_id: str
    error_code: str = ""
    error_message: str = ""
    retryable: bool = False

    @property
    def ok(self) -> bool:
        return not self.error_code


class Crm(Protocol):
    """Salesforce. Errors: CrmUnavailable (retry), CrmRefused (the request can never succeed)."""

    def leads(self, lead_ids: Sequence[str], fields: Sequence[str] = ()) -> list[CrmLead]:
        """The leads that are there, in the order asked; deleted and unknown ones are left out."""
        ...

    def update(self, updates: Sequence[FieldUpdate]) -> Iterator[list[UpdateResult]]:
        """Results in pages as Salesforce answers them: one per update, in the same order.

        A fault ends the iteration; the pages before it were written.
        """
        ...

    def writable_fields(self) -> Mapping[str, int]:
        """API names of the Lead fields we may write, each with the longest text it takes (0: it is no text)."""
        ...

    def contacts(self, modified_since: datetime, entered_since: datetime) -> list[CrmContact]:
        """Leads modified since then that entered the stage since then, oldest modification first."""
        ...


class TokenVerifier(Protocol):
    def verify(self, authorization: str) -> None:
        """Raises Unauthorized unless the header carries a valid token of the expected caller."""
        ...
