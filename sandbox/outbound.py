"""Outbound messages as Salesforce writes them."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

Record = dict[str, object]

ORGANIZATION = "00D000000000001EAA"
SOAP_HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
_SENT = ("Id", "FA_CRD__c", "Stage_Entered_Contacting__c", "Status")


def outbound_message(organization: str, notifications: Sequence[tuple[str, Record]]) -> bytes:
    """One envelope with a notification (its id, and the lead) each."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f'<OrganizationId>{organization}</OrganizationId><ActionId>04k000000000001AAA</ActionId><SessionId xsi:nil="true"/>'
        "<EnterpriseUrl>https://sandbox.my.salesforce.com/services/Soap/c/62.0</EnterpriseUrl>"
        f"{''.join(_notification(id_, lead) for id_, lead in notifications)}"
        "</notifications></soapenv:Body></soapenv:Envelope>"
    ).encode()


def _notification(id_: str, lead: Record) -> str:
    fields = "".join(f"<sf:{name}>{escape(str(lead[name]))}</sf:{name}>" for name in _SENT if lead.get(name) not in {None, ""})
    return (
        f'<Notification><Id>{escape(id_)}</Id><sObject xsi:type="sf:Lead" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        f"{fields}</sObject></Notification>"
    )
