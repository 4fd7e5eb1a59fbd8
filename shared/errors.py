"""What can go wrong, sorted by what the caller must do about it.

`Terminal` can never succeed: dead-letter it with the reason. `Transient` may succeed later: retry.
`Refused` is said to a person at a command line: it names the input, the rule and the fix.
"""

import re


class LeadscoreError(Exception):
    """A fault stated so that a person can act on it: what is wrong, and how to mend it."""

    def __init__(self, what: str, *, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    @property
    def code(self) -> str:
        """The class name in snake case: the stable word for logs, counters and dead letters."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def __str__(self) -> str:
        return f"{self.what} Fix: {self.fix}" if self.fix else self.what


class Terminal(LeadscoreError):
    """Retrying cannot help."""


class InvalidMessage(Terminal):
    """The message is not of the form the function takes."""


class UnknownLead(Terminal):
    """Neither the warehouse nor Salesforce knows this lead."""


class UnknownCrd(Terminal):
    """No visible row of a required source belongs to this advisor."""


class UnknownCategory(Terminal):
    """A category holds a level that its contract does not list."""


class SchemaMismatch(Terminal):
    """The columns at hand are not the columns the model was trained on."""


class FanOut(Terminal):
    """A source holds the same row twice, so a question has more than one answer."""


class CrmRefused(Terminal):
    """Salesforce refused a record for a reason that retrying cannot mend."""


class Unauthorized(Terminal):
    """The caller did not prove who it is."""


class Transient(LeadscoreError):
    """Retrying later may succeed."""


class NoChampion(Transient):
    """The registry has no champion model yet."""


class CorruptArtifact(Transient):
    """An artefact is incomplete, its bytes are not those recorded, or they make no model. Another artefact can mend it."""


class WarehouseUnavailable(Transient):
    """The warehouse did not answer."""


class ObjectsUnavailable(Transient):
    """The object store did not answer."""


class TopicUnavailable(Transient):
    """A message could not be published."""


class KeysUnavailable(Transient):
    """The public keys that tokens are verified with could not be fetched."""


class CrmUnavailable(Transient):
    """Salesforce did not answer, or asked to be called later."""


class ObjectMissing(LeadscoreError):
    """There is no object of this name."""


class PreconditionFailed(LeadscoreError):
    """Somebody else wrote the object first."""


class Refused(LeadscoreError):
    """An input given by a person is not usable."""


class ContractError(Refused):
    """A contract says something that cannot be."""


class DataError(Refused):
    """A data file or table does not hold what its contract says."""


class LeakFound(DataError):
    """A feature knows what was not yet known; training stops before it begins."""


class NotProven(Refused):
    """A model may not be promoted on the evidence at hand."""


class ConfigError(Refused):
    """A setting is missing or not usable."""
