"""Acknowledge, retry or dead-letter: the one place that decides what becomes of a delivery.

A 2xx acknowledges, anything else makes Pub/Sub deliver again with backoff. What can never succeed is published to
the dead-letter topic with its reason and acknowledged; so is what still fails at its last attempt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from flask import Request

from functions import messages
from functions.messages import Envelope
from functions.soap import acknowledgement
from functions.trace import trace_of
from shared.errors import LeadscoreError, Transient, Unauthorized
from shared.log import about, delivery, log, timed
from shared.ports import TokenVerifier, Topic

Answer: TypeAlias = tuple[str | dict[str, object], int]
"""Body and HTTP status."""
XmlAnswer: TypeAlias = tuple[str, int, dict[str, str]]

DEAD_LETTERS = "dead-letters"
PROBE = "probe"
"""The attribute by which a message is the release's and nobody's lead."""
PROBED = "revision_probed"
_KEPT_BODY_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """`max_attempts` equals the subscription's, so that the last failure is filed by us, with its reason."""

    verifier: TokenVerifier
    topic: Topic
    max_attempts: int
    project: str = ""

    def push(self, function: str, request: Request, handle: Callable[[Envelope], object]) -> Answer:
        """A Pub/Sub push: verify, unwrap, handle. One event says what came of it and where the time went."""
        started = perf_counter()
        envelope = Envelope("", request.get_data())
        with delivery(function=function, **self._trace(request)) as spent:
            try:
                with timed("verify"):
                    self.verifier.verify(request.headers.get("Authorization", ""))
                envelope = messages.unwrap(envelope.body)
                about(message_id=envelope.message_id)
                if _is_probe(envelope):
                    return PROBED, 200
                outcome = handle(envelope)
            except Unauthorized as fault:
                return _refuse(function, fault)
            except LeadscoreError as fault:
                return self._failed(function, envelope, fault)
            log.info("message_handled", outcome=outcome, ms=round(1000 * (perf_counter() - started), 2), **spent)
        return str(outcome), 200

    def scheduled(self, function: str, request: Request, handle: Callable[[bytes], object]) -> Answer:
        """A call by Scheduler, which retries by itself and reads only the status; or the release's probe, by Pub/Sub."""
        with delivery(function=function, **self._trace(request)):
            try:
                self.verifier.verify(request.headers.get("Authorization", ""))
                body = request.get_data() or b"{}"
                if b'"message"' in body and _is_probe(messages.unwrap(body)):
                    return PROBED, 200
                return {"done": handle(body)}, 200
            except LeadscoreError as fault:
                return _refuse(function, fault)

    def call(self, function: str, request: Request, handle: Callable[[str, bytes], object]) -> Answer:
        """A call by Salesforce, with the header that proves it; what it sent wrong is answered in words."""
        with delivery(function=function, **self._trace(request)):
            try:
                return {"done": handle(request.headers.get("Authorization", ""), request.get_data())}, 200
            except LeadscoreError as fault:
                return _refuse(function, fault)

    def _trace(self, request: Request) -> dict[str, str]:
        return trace_of(request.headers.get("X-Cloud-Trace-Context", ""), self.project)

    def outbound(self, function: str, request: Request, handle: Callable[[str, bytes], object]) -> XmlAnswer:
        """A Salesforce outbound message, with its secret as the last part of the address; answered by an Ack."""
        status, taken = 200, True
        with delivery(function=function, **self._trace(request)):
            try:
                handle(request.path.rstrip("/").rpartition("/")[2], request.get_data())
            except LeadscoreError as fault:
                (_, status), taken = _refuse(function, fault), False
        return acknowledgement(taken=taken), status, {"Content-Type": "text/xml; charset=utf-8"}

    def _failed(self, function: str, envelope: Envelope, fault: LeadscoreError) -> Answer:
        retry = isinstance(fault, Transient) and envelope.attempt < self.max_attempts
        told = {"message_id": envelope.message_id, "function": function, "error": fault.code, "reason": str(fault)}
        if retry:
            log.warning("delivery_deferred", attempt=envelope.attempt, **told)
            return str(fault), 503
        try:
            bury(self.topic, envelope.body, fault, {"function": function, "message_id": envelope.message_id})
        except Transient as cannot_bury:
            log.error("dead_letter_deferred", **told, because=str(cannot_bury))
            return str(cannot_bury), 503
        log.error("message_dead_lettered", **told)
        return f"dead-lettered: {fault}", 200


def _is_probe(envelope: Envelope) -> bool:
    """Whether the release asks if this revision answers: started, wired and sure of who pushes. It logs so, and does nothing else."""
    probe = PROBE in envelope.attributes
    if probe:
        log.info(PROBED, message_id=envelope.message_id)
    return probe


def _refuse(function: str, fault: LeadscoreError) -> Answer:
    status = 503 if isinstance(fault, Transient) else 401 if isinstance(fault, Unauthorized) else 400
    log.warning("request_refused", function=function, status=status, error=fault.code, reason=str(fault))
    return {"error": fault.code, "reason": str(fault)}, status


def bury(topic: Topic, body: bytes, fault: LeadscoreError, origin: Mapping[str, str]) -> None:
    """Publish what could not be handled, with the reason. An empty body becomes one that says so."""
    kept = body[:_KEPT_BODY_BYTES] or b"(empty)"
    topic.publish(DEAD_LETTERS, kept, {"reason": fault.code, "explanation": str(fault)[:1000], **origin})
