"""A Salesforce REST server on loopback: OAuth JWT bearer, SOQL, describe, updates, collections, limits, Bulk 2.0.

It answers as Salesforce does in what the product relies on: HTTP 200 with per-record errors, results in request order,
at most 200 records a collection, owners moved unless told otherwise, expired sessions, quotas. Under `/sandbox` a
person or a test looks inside, breaks things, or moves a lead into a stage, which calls out as a Flow would.
"""

import argparse
import csv
import secrets
import socket
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import jwt
import requests
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox import keys, soql
from sandbox.bulk import bulk_routes
from sandbox.org import USERNAME, Faults, FieldSpec, Org, Record, Setup, lead_fields, now
from sandbox.outbound import ORGANIZATION, SOAP_HEADERS, outbound_message
from sandbox.server import serve
from shared import policies
from shared.config import ROOT

CONSUMER_KEY = "sandbox-consumer"
LOGIN = "https://login.salesforce.com"
INSTANCE = "https://sandbox.my.salesforce.com"
MAX_COLLECTION = 200
_TYPES = {"text": "string", "number": "double"}
"""Salesforce's words for what differs from ours."""
PAGE = 2000
_DATA = "/services/data/<version>"
_CALLOUT_TIMEOUT_SECONDS = 30


def create_app(org: Org, login_key: str, flow_url: str = "", flow_secret: str = "") -> Flask:
    app = Flask("salesforce")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    _guard(app, org)
    _login_routes(app, org, login_key)
    _record_routes(app, org)
    _collection_routes(app, org)
    _query_routes(app, org)
    bulk_routes(app, org)
    _sandbox_routes(app, org, flow_url, flow_secret)
    _setup_routes(app, org)
    return app


def error(status: int, code: str, message: str) -> Response:
    answer = jsonify([{"errorCode": code, "message": message}])
    answer.status_code = status
    return answer


def _guard(app: Flask, org: Org) -> None:
    @app.before_request
    def before() -> ResponseReturnValue | None:
        if not request.path.startswith("/services/data"):
            return None
        if org.strikes("slow_calls"):
            time.sleep(org.faults.slow_seconds)
        if org.strikes("unavailable_calls") or org.strikes("unavailable_share"):
            return error(503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable.")
        if org.faults.expire_sessions or org.strikes("expire_share"):
            org.faults.expire_sessions = False
            org.sessions.clear()
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in org.sessions:
            return error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if org.calls >= org.daily_limit:
            return error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        org.calls += 1
        return None

    @app.after_request
    def after(answer: Response) -> Response:
        if request.method in {"PATCH", "PUT"} and answer.status_code < 300 and org.strikes("reset_writes"):
            connection: socket.socket = request.environ.get("gunicorn.socket") or request.environ["werkzeug.socket"]
            connection.shutdown(socket.SHUT_RDWR)
        answer.headers["Sforce-Limit-Info"] = f"api-usage={org.calls}/{org.daily_limit}"
        return answer


def _login_routes(app: Flask, org: Org, login_key: str) -> None:
    @app.post("/services/oauth2/token")
    def token() -> ResponseReturnValue:
        if request.form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return {"error": "unsupported_grant_type", "error_description": "grant type not supported"}, 400
        refusal = org.faults.login_refused or _login_refusal(request.form.get("assertion", ""), login_key, org.faults.clock_ahead_seconds)
        if refusal:
            code, _, description = refusal.partition(": ")
            return {"error": code, "error_description": description}, 400
        session = secrets.token_hex(16)
        org.sessions.add(session)
        return {"access_token": session, "instance_url": INSTANCE, "token_type": "Bearer", "scope": "api"}


def _login_refusal(assertion: str, login_key: str, ahead_seconds: float) -> str:
    """Why this assertion lets nobody in, in Salesforce's words; empty when it does."""
    try:
        claims = jwt.decode(
            assertion, login_key, algorithms=["RS256"], audience=LOGIN, issuer=CONSUMER_KEY, leeway=timedelta(seconds=-ahead_seconds)
        )
    except jwt.ExpiredSignatureError:
        return "invalid_grant: expired authorization code"
    except jwt.InvalidAudienceError:
        return "invalid_grant: audience is invalid"
    except jwt.InvalidIssuerError:
        return "invalid_client_id: client identifier invalid"
    except jwt.PyJWTError as fault:
        return f"invalid_grant: invalid assertion: {fault}"
    return "" if claims.get("sub") == USERNAME else "invalid_grant: user hasn't approved this consumer"


def _record_routes(app: Flask, org: Org) -> None:
    @app.get(f"{_DATA}/sobjects/Lead/describe")
    def describe(version: str) -> ResponseReturnValue:
        if org.faults.lead_hidden:
            return error(404, "NOT_FOUND", "The requested resource does not exist")
        fields = [{**asdict(spec), "name": name, "type": _TYPES.get(spec.kind, spec.kind)} for name, spec in org.fields.items()]
        return {"name": "Lead", "updateable": True, "fields": fields}

    @app.get(f"{_DATA}/sobjects/Lead/<lead_id>")
    def one(version: str, lead_id: str) -> ResponseReturnValue:
        found = org.leads.get(lead_id)
        return dict(found) if found else error(404, "NOT_FOUND", "The requested resource does not exist")

    @app.patch(f"{_DATA}/sobjects/Lead/<lead_id>")
    def update_one(version: str, lead_id: str) -> ResponseReturnValue:
        values = request.get_json()
        if unknown := org.unknown_fields(values):
            return _no_such_column(unknown)
        refusal = org.write(lead_id, values, auto_assign=_auto_assign())
        return error(400, refusal.code, refusal.message) if refusal else ("", 204)


def _collection_routes(app: Flask, org: Org) -> None:
    @app.post(f"{_DATA}/composite/sobjects/Lead")
    def read_collection(version: str) -> ResponseReturnValue:
        wanted = request.get_json()
        if len(wanted["ids"]) > PAGE:
            return error(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot retrieve more than {PAGE} records")
        if unknown := [name for name in wanted["fields"] if name not in org.fields]:
            return _no_such_column(unknown)
        found = [org.leads.get(lead_id) for lead_id in wanted["ids"]]
        return jsonify([_retrieved(lead, wanted["fields"]) for lead in found])

    @app.patch(f"{_DATA}/composite/sobjects")
    def update_collection(version: str) -> ResponseReturnValue:
        records = [{k: v for k, v in record.items() if k != "attributes"} for record in request.get_json()["records"]]
        if len(records) > MAX_COLLECTION:
            return error(400, "EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {MAX_COLLECTION} records")
        if unknown := {name for record in records for name in org.unknown_fields({k: v for k, v in record.items() if k != "id"})}:
            return _no_such_column(sorted(unknown))
        return jsonify([_written(org, record) for record in records])


def _retrieved(lead: Record | None, fields: list[str]) -> Record | None:
    """What is not there, or in the recycle bin, is null in its place."""
    if lead is None or lead.get("IsDeleted"):
        return None
    return {"attributes": {"type": "Lead"}, **{name: lead.get(name) for name in ["Id", *fields]}}


def _written(org: Org, record: Record) -> Record:
    lead_id = str(record.pop("id"))
    refusal = org.write(lead_id, record, auto_assign=_auto_assign())
    if refusal is None:
        return {"id": lead_id, "success": True, "errors": []}
    return {"success": False, "errors": [{"statusCode": refusal.code, "message": refusal.message, "fields": []}]}


def _auto_assign() -> bool:
    return request.headers.get("Sforce-Auto-Assign", "TRUE").upper() != "FALSE"


def _no_such_column(names: list[str]) -> Response:
    return error(400, "INVALID_FIELD", f"No such column '{names[0]}' on sobject of type Lead")


def _query_routes(app: Flask, org: Org) -> None:
    results: dict[str, list[Record]] = {}

    @app.get(f"{_DATA}/query/")
    @app.get(f"{_DATA}/query")
    def query(version: str) -> ResponseReturnValue:
        try:
            select = soql.parse(request.args.get("q", ""))
        except soql.MalformedQueryError as fault:
            return error(400, "MALFORMED_QUERY", str(fault))
        records: Iterable[Record] | None = org.leads.values() if select.table == "Lead" else org.setup.records(select.table)
        if records is None:
            return error(400, "INVALID_TYPE", f"sObject type '{select.table}' is not supported.")
        if select.table == "Lead" and (unknown := [name for name in select.fields if name not in org.fields]):
            return error(400, "INVALID_FIELD", f"No such column '{unknown[0]}' on entity 'Lead'")
        with org.lock:
            found = select.run(records)
        cursor = secrets.token_hex(8)
        results[cursor] = found
        return _page(results, cursor, 0)

    @app.get(f"{_DATA}/query/<cursor>-<int:start>")
    def query_more(version: str, cursor: str, start: int) -> ResponseReturnValue:
        return _page(results, cursor, start)

    @app.get(f"{_DATA}/limits/")
    def limits(version: str) -> ResponseReturnValue:
        return {"DailyApiRequests": {"Max": org.daily_limit, "Remaining": org.daily_limit - org.calls}}


def _page(results: dict[str, list[Record]], cursor: str, start: int) -> Record:
    found = results[cursor]
    records = [{"attributes": {"type": "Lead"}, **record} for record in found[start : start + PAGE]]
    answer: Record = {"totalSize": len(found), "done": start + PAGE >= len(found), "records": records}
    if answer["done"]:
        results.pop(cursor)
    else:
        answer["nextRecordsUrl"] = f"/services/data/v59.0/query/{cursor}-{start + PAGE}"
    return answer


def _sandbox_routes(app: Flask, org: Org, flow_url: str, flow_secret: str) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {flow_secret}"

    @app.get("/sandbox/leads/<lead_id>")
    def look(lead_id: str) -> ResponseReturnValue:
        found = org.leads.get(lead_id)
        return dict(found) if found else ({"error": f"no lead {lead_id}"}, 404)

    @app.get("/sandbox/stats")
    def stats() -> ResponseReturnValue:
        return {"calls": org.calls, "writes": len(org.write_log), "repeated_writes": org.repeated_writes, "leads": len(org.leads)}

    @app.get("/sandbox/writes")
    def writes() -> ResponseReturnValue:
        return jsonify(org.write_log)

    @app.post("/sandbox/faults")
    def faults() -> ResponseReturnValue:
        wanted = request.get_json()
        org.daily_limit = int(wanted.pop("daily_limit", org.daily_limit))
        org.faults = Faults(**{**asdict(org.faults), **wanted})
        return asdict(org.faults)

    @app.post("/sandbox/stage")
    def stage() -> ResponseReturnValue:
        event = request.get_json()
        lead = org.leads.get(event["lead_id"])
        if lead is None:
            return {"error": f"no lead {event['lead_id']}"}, 404
        lead.update({"Status": event["stage"], "Stage_Entered_Contacting__c": event["stage_entered_at"], "SystemModstamp": now()})
        try:
            return _tell(session, flow_url, flow_secret, event, lead)
        except requests.RequestException as fault:
            return {"error": f"the flow's callout failed: {fault}"}, 502

    @app.post("/sandbox/convert/<lead_id>")
    def convert(lead_id: str) -> ResponseReturnValue:
        org.leads[lead_id]["IsConverted"] = True
        return "", 204


def _setup_routes(app: Flask, org: Org) -> None:
    @app.post("/sandbox/setup")
    def setup() -> ResponseReturnValue:
        org.setup = Setup(**{**asdict(org.setup), **request.get_json()})
        return asdict(org.setup)

    @app.post("/sandbox/fields")
    def fields() -> ResponseReturnValue:
        """Give a field another definition, or none: {"Lead_Score__c": null} takes it away."""
        for name, spec in request.get_json().items():
            org.fields = {key: was for key, was in org.fields.items() if key != name} | ({name: FieldSpec(**spec)} if spec else {})
        return sorted(org.fields)


def _tell(session: requests.Session, url: str, secret: str, event: Record, lead: Record) -> ResponseReturnValue:
    """As a Flow's callout; on request as an outbound message, or not at all: what `catch_up` is for."""
    via = event.pop("via", "flow")
    if via == "nothing":
        return {"done": "nobody was told"}
    if via == "outbound_message":
        body = outbound_message(ORGANIZATION, [(str(event["event_id"]), lead)])
        answer = session.post(f"{url}/{secret}", data=body, headers=SOAP_HEADERS, timeout=_CALLOUT_TIMEOUT_SECONDS)
        return {"ack": answer.text}, answer.status_code
    answer = session.post(url, json={**event, "source": "flow"}, timeout=_CALLOUT_TIMEOUT_SECONDS)
    return answer.json(), answer.status_code


def read_leads(path: Path) -> dict[str, Record]:
    """The org's leads from a CSV of Id, FA_CRD__c, FirstName, LastName, Company, OwnerId."""
    with path.open(newline="") as file:
        return {row["Id"]: _fresh(dict(row)) for row in csv.DictReader(file)}


def _fresh(row: Record) -> Record:
    return {**row, "Status": "New", "IsConverted": False, "IsDeleted": False, "SystemModstamp": now()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--flow-url", default="")
    parser.add_argument("--flow-secret", default="")
    options = parser.parse_args()
    serve(lambda: _of_world(options.world, options.flow_url, options.flow_secret), options.port)


def _of_world(world: Path, flow_url: str, flow_secret: str) -> Flask:
    org = Org(lead_fields(policies.salesforce(ROOT / "policies")), read_leads(world / "salesforce_leads.csv"))
    login_key = keys.public_key(keys.private_key(world / "keys" / "salesforce.pem"))
    return create_app(org, login_key, flow_url, flow_secret)


if __name__ == "__main__":
    main()
