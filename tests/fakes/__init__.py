"""Small honest stand-ins for the ports. The contract suites run on them too, so that they cannot drift."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.errors import CrmUnavailable, ObjectMissing, PreconditionFailed, TopicUnavailable, Unauthorized
from shared.ports import Blob, CrmContact, CrmLead, FieldUpdate, UpdateResult


class FakeObjects:
    """Objects in memory."""

    def __init__(self) -> None:
        self._blobs: dict[str, Blob] = {}
        self._generation = 0

    def read(self, name: str) -> Blob:
        try:
            return self._blobs[name]
        except KeyError:
            raise ObjectMissing(f"There is no object {name}.") from None

    def write(self, name: str, data: bytes, *, if_generation: int | None = None) -> int:
        present = self._blobs[name].generation if name in self._blobs else 0
        if if_generation is not None and if_generation != present:
            raise PreconditionFailed(f"{name} is at generation {present}, not {if_generation}.")
        self._generation += 1
        self._blobs[name] = Blob(data, self._generation)
        return self._generation

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self._blobs if name.startswith(prefix))


@dataclass
class FakeTopic:
    """Remembers what was published; `down` makes every publish fail."""

    published: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)
    down: bool = False

    def publish(self, topic: str, body: bytes, attributes: Mapping[str, str]) -> str:
        if self.down:
            raise TopicUnavailable(f"{topic} is down.")
        self.published.append((topic, body, attributes))
        return str(len(self.published))

    def bodies(self, topic: str) -> list[bytes]:
        return [body for name, body, _ in self.published if name == topic]


@dataclass
class FakeCrm:
    """Leads and the fields written to them. `answers` overrides the result of a lead's next updates, in order.

    Updates are answered in pages of `page`; after `down_after` pages it breaks down.
    """

    records: dict[str, CrmLead]
    fields: dict[str, int]
    written: list[FieldUpdate] = field(default_factory=list)
    answers: dict[str, list[UpdateResult]] = field(default_factory=dict)
    entered: list[CrmContact] = field(default_factory=list)
    page: int = 200
    down_after: int | None = None

    def leads(self, lead_ids: Sequence[str], fields: Sequence[str] = ()) -> list[CrmLead]:
        found = (self.records[lead_id] for lead_id in lead_ids if lead_id in self.records)
        return [replace(lead, values={name: lead.values.get(name) for name in fields}) for lead in found]

    def update(self, updates: Sequence[FieldUpdate]) -> Iterator[list[UpdateResult]]:
        for number, start in enumerate(range(0, len(updates), self.page)):
            if number == self.down_after:
                raise CrmUnavailable("Salesforce is down.")
            yield [self._update(update) for update in updates[start : start + self.page]]

    def writable_fields(self) -> Mapping[str, int]:
        return self.fields

    def contacts(self, modified_since: datetime, entered_since: datetime) -> list[CrmContact]:
        found = (c for c in self.entered if c.modified_at >= modified_since and c.stage_entered_at >= entered_since)
        return sorted(found, key=lambda contact: contact.modified_at)

    def _update(self, update: FieldUpdate) -> UpdateResult:
        if self.answers.get(update.lead_id):
            return self.answers[update.lead_id].pop(0)
        if update.lead_id not in self.records:
            return UpdateResult(update.lead_id, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if self.records[update.lead_id].is_converted:
            return UpdateResult(update.lead_id, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        self.written.append(update)
        before = self.records[update.lead_id]
        self.records[update.lead_id] = replace(before, values={**before.values, **update.values})
        return UpdateResult(update.lead_id)


class FakeVerifier:
    """Lets in whoever says `Bearer good`."""

    def verify(self, authorization: str) -> None:
        if authorization != "Bearer good":
            raise Unauthorized("not the expected caller")
