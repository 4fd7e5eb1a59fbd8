"""The use cases on adapters of the suite's choosing."""

from dataclasses import dataclass
from functools import cached_property

from functions.delivery import Delivery
from functions.wiring import App
from shared.ports import Clock, Crm, Objects, Topic, Warehouse
from tests.fakes import FakeVerifier


@dataclass(frozen=True, slots=True)
class Parts:
    clock: Clock
    warehouse: Warehouse
    objects: Objects
    topic: Topic
    crm: Crm


class TrustingApp(App):
    """Lets in whoever says `Bearer good`: tokens are another suite's matter."""

    @cached_property
    def delivery(self) -> Delivery:
        return Delivery(FakeVerifier(), self.outside.topic, self.settings.max_delivery_attempts, self.settings.project)
