"""Salesforce outbound messages: a SOAP envelope of up to 100 notifications in, an Ack out."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from functions.messages import MAX_BODY_BYTES, MAX_NOTIFICATIONS
from shared.errors import InvalidMessage

_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
_FIX = "Send a Salesforce outbound message, as salesforce/ sets it up."
_REFUSED_MARKUP = ("<!DOCTYPE", "<!ENTITY")


@dataclass(frozen=True, slots=True)
class Notification:
    """One occurrence. `fields` holds the sObject's texts by API name; those that are nil are left out."""

    id: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    organization_id: str
    notifications: tuple[Notification, ...]


def acknowledgement(*, taken: bool) -> str:
    """What Salesforce waits for: without a true Ack it sends the message again, for 24 hours."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        f'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>{str(taken).lower()}</Ack></notificationsResponse>'
        "</soapenv:Body></soapenv:Envelope>"
    )


def read_outbound_message(body: bytes) -> OutboundMessage:
    """Raises InvalidMessage. A document type is refused unread, so that no entity is ever expanded."""
    message = _parse(body).find(f"{_SOAP}Body/{_OUTBOUND}notifications")
    if message is None:
        raise InvalidMessage("The envelope holds no notifications.", fix=_FIX)
    notifications = tuple(_notifications(message))
    if not 1 <= len(notifications) <= MAX_NOTIFICATIONS:
        raise InvalidMessage(f"The message holds {len(notifications)} notifications.", fix=f"Send 1 to {MAX_NOTIFICATIONS} at a time.")
    return OutboundMessage(_text(message.find(f"{_OUTBOUND}OrganizationId")), notifications)


def _parse(body: bytes) -> ET.Element:
    if len(body) > MAX_BODY_BYTES:
        raise InvalidMessage(f"The message has {len(body):,} bytes.", fix=f"Send at most {MAX_BODY_BYTES:,}.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise InvalidMessage(f"The message is not UTF-8: {fault.reason}.", fix=_FIX) from fault
    if any(markup in text for markup in _REFUSED_MARKUP):
        raise InvalidMessage("The message declares a document type.", fix="Send XML without DOCTYPE and entities.")
    try:
        return ET.fromstring(text)  # noqa: S314 - no document type, so no entities; the size is limited
    except (ET.ParseError, ValueError) as fault:
        raise InvalidMessage(f"The message is not XML: {fault}.", fix=_FIX) from fault


def _notifications(message: ET.Element) -> Iterator[Notification]:
    for each in message.iterfind(f"{_OUTBOUND}Notification"):
        record = each.find(f"{_OUTBOUND}sObject")
        fields = {element.tag.rpartition("}")[2]: _text(element) for element in (record if record is not None else ())}
        yield Notification(_text(each.find(f"{_OUTBOUND}Id")), {name: text for name, text in fields.items() if text})


def _text(element: ET.Element | None) -> str:
    return ((element.text if element is not None else None) or "").strip()
