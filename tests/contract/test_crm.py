"""Salesforce through the real adapter and simple-salesforce, against the sandbox's server over HTTP."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from sandbox import keys
from sandbox.org import ASSIGNMENT_QUEUE, USERNAME, Faults, Org, lead_fields
from sandbox.salesforce import CONSUMER_KEY, create_app
from shared import policies
from shared.adapters.salesforce import SalesforceCrm
from shared.adapters.salesforce_session import Quota
from shared.clock import parse_instant
from shared.config import ROOT, SalesforceSettings
from shared.errors import CrmRefused, CrmUnavailable
from shared.lead import lead_id
from shared.ports import Crm, CrmContact, CrmLead, FieldUpdate, UpdateResult
from tests.fakes import FakeCrm

POLICY = policies.salesforce(ROOT / "policies")
BAND, SCORE, REASONS = POLICY.fields.band, POLICY.fields.score, POLICY.fields.reasons
LEADS = [lead_id(f"00Q5e{number:010d}") for number in range(450)]
OWNER = "005000000000001AAA"


@dataclass
class Salesforce:
    """The server's inside, and the adapter that talks to it."""

    org: Org
    crm: SalesforceCrm
    settings: SalesforceSettings


@pytest.fixture(scope="module")
def login_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    return keys.private_key(tmp_path_factory.mktemp("keys") / "salesforce.pem")


@pytest.fixture
def salesforce(login_key: str) -> Iterator[Salesforce]:
    leads = {lead: _record(lead, number) for number, lead in enumerate(LEADS)}
    org = Org(lead_fields(POLICY), leads)
    server = make_server("127.0.0.1", 0, create_app(org, keys.public_key(login_key)), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = SalesforceSettings("login", USERNAME, CONSUMER_KEY, login_key, f"http://127.0.0.1:{server.server_port}")
    crm = SalesforceCrm(settings, POLICY)
    yield Salesforce(org, crm, settings)
    crm.close()
    server.shutdown()
    thread.join()


def _record(lead: str, number: int) -> dict[str, object]:
    return {"Id": lead, "FA_CRD__c": f"CRD {number + 1000}", "OwnerId": OWNER, "IsConverted": False, "IsDeleted": False}


@pytest.fixture(params=["sandbox", "fake"])
def crm(request: pytest.FixtureRequest) -> Crm:
    if request.param == "sandbox":
        sandbox: Salesforce = request.getfixturevalue("salesforce")
        return sandbox.crm
    fields = {name: spec.length for name, spec in lead_fields(POLICY).items() if spec.updateable}
    return FakeCrm({lead: CrmLead(lead, number + 1000, is_converted=False) for number, lead in enumerate(LEADS)}, fields)


def _updates(leads: list[str], band: str = "Hot") -> list[FieldUpdate]:
    return [FieldUpdate(lead, {BAND: band, SCORE: 512}) for lead in leads]


def _update(crm: Crm, updates: list[FieldUpdate]) -> list[UpdateResult]:
    return [result for page in crm.update(updates) for result in page]


def test_leads_are_found_by_id_with_the_digits_of_their_crd(crm: Crm) -> None:
    found = crm.leads([*LEADS[:3], lead_id("00Q5e9999999999")])
    assert found == [CrmLead(LEADS[n], 1000 + n, is_converted=False) for n in range(3)]
    assert crm.leads([]) == []


def test_every_update_has_its_result_in_order_also_the_unknown_one(crm: Crm) -> None:
    stranger = lead_id("00Q5e9999999999")
    results = _update(crm, _updates([LEADS[0], stranger, LEADS[1]]))
    assert [(r.lead_id, r.ok, r.retryable) for r in results] == [(LEADS[0], True, False), (stranger, False, False), (LEADS[1], True, False)]
    assert results[1].error_code == "INVALID_CROSS_REFERENCE_KEY"


def test_the_fields_we_may_write_are_told(crm: Crm) -> None:
    assert set(POLICY.fields.model_dump().values()) <= crm.writable_fields().keys()
    assert crm.writable_fields()[REASONS] == 255
    assert "IsConverted" not in crm.writable_fields()


def test_more_than_a_collection_goes_in_pages_of_200(salesforce: Salesforce) -> None:
    before = salesforce.org.calls
    assert all(result.ok for result in _update(salesforce.crm, _updates(LEADS)))
    assert salesforce.org.calls - before == 3
    assert {lead[BAND] for lead in salesforce.org.leads.values()} == {"Hot"}


def test_owners_stay_where_they_are_also_after_the_session_was_renewed(salesforce: Salesforce) -> None:
    """simple-salesforce drops a call's own headers when it renews a session; ours is on the session."""
    _update(salesforce.crm, _updates(LEADS[:1]))
    salesforce.org.faults.expire_sessions = True
    assert _update(salesforce.crm, _updates(LEADS[:2], "Cold"))[0].ok
    assert {salesforce.org.leads[lead]["OwnerId"] for lead in LEADS[:2]} == {OWNER}


def test_without_the_header_the_sandbox_moves_owners_so_forgetting_it_fails(salesforce: Salesforce) -> None:
    salesforce.crm.writable_fields()
    assert salesforce.crm._session._salesforce is not None
    del salesforce.crm._session._salesforce.session.headers["Sforce-Auto-Assign"]
    _update(salesforce.crm, _updates(LEADS[:1]))
    assert salesforce.org.leads[LEADS[0]]["OwnerId"] == ASSIGNMENT_QUEUE


def test_converted_deleted_and_misfitting_records_are_refused_one_by_one(salesforce: Salesforce) -> None:
    salesforce.org.leads[LEADS[0]]["IsConverted"] = True
    salesforce.org.leads[LEADS[1]]["IsDeleted"] = True
    updates = [
        *_updates(LEADS[:2]),
        FieldUpdate(LEADS[2], {REASONS: "x" * 256}),
        FieldUpdate(LEADS[3], {SCORE: "high"}),
        *_updates([LEADS[4]]),
    ]
    codes = [result.error_code for result in _update(salesforce.crm, updates)]
    assert codes == ["CANNOT_UPDATE_CONVERTED_LEAD", "ENTITY_IS_DELETED", "STRING_TOO_LONG", "INVALID_TYPE_ON_FIELD_IN_RECORD", ""]


def test_locked_rows_are_tried_again_one_at_a_time(salesforce: Salesforce) -> None:
    salesforce.org.faults.locked_share = 0.3
    results = _update(salesforce.crm, _updates(LEADS[:40]))
    assert sum(result.ok for result in results) > 35
    assert all(result.retryable and result.error_code == "UNABLE_TO_LOCK_ROW" for result in results if not result.ok)


def test_an_unknown_field_refuses_the_call_by_name(salesforce: Salesforce) -> None:
    with pytest.raises(CrmRefused, match="Nope__c"):
        _update(salesforce.crm, [FieldUpdate(LEADS[0], {"Nope__c": 1})])


def test_a_short_burst_of_503_is_waited_out_and_a_long_one_is_to_be_called_later(salesforce: Salesforce) -> None:
    salesforce.org.faults.unavailable_calls = 2
    assert salesforce.crm.leads(LEADS[:1])
    salesforce.org.faults.unavailable_calls = 3
    with pytest.raises(CrmUnavailable, match="503"):
        salesforce.crm.leads(LEADS[:1])


def test_a_spent_quota_is_to_be_called_later_and_not_asked_again_at_once(salesforce: Salesforce) -> None:
    salesforce.crm.leads(LEADS[:1])
    salesforce.org.daily_limit = salesforce.org.calls
    with pytest.raises(CrmUnavailable, match="REQUEST_LIMIT_EXCEEDED"):
        salesforce.crm.leads(LEADS[:1])
    salesforce.org.daily_limit = 100_000
    with pytest.raises(CrmUnavailable, match="API calls today"):
        salesforce.crm.leads(LEADS[:1])


def test_we_stop_at_our_share_of_the_daily_quota_and_look_again_later(salesforce: Salesforce) -> None:
    salesforce.org.daily_limit = 10
    for _ in range(8):
        salesforce.crm.leads(LEADS[:1])
    with pytest.raises(CrmUnavailable, match="has used 8 of its 10 API calls today; we stop at 80%"):
        salesforce.crm.leads(LEADS[:1])
    assert salesforce.org.calls == 8
    now = [0.0]
    quota = Quota(0.5, believed_seconds=900, now=lambda: now[0])
    quota.read("api-usage=5/10")
    with pytest.raises(CrmUnavailable):
        quota.check()
    now[0] = 901
    quota.check()


def test_a_write_whose_answer_was_lost_is_not_repeated_blindly(salesforce: Salesforce) -> None:
    salesforce.org.faults.reset_writes = 1
    with pytest.raises(CrmUnavailable, match="did not answer"):
        _update(salesforce.crm, _updates(LEADS[:3]))
    assert len(salesforce.org.write_log) == 3
    assert [lead.values[BAND] for lead in salesforce.crm.leads(LEADS[:3], [BAND])] == ["Hot"] * 3


def test_a_stalled_server_is_given_up_after_the_policy_s_time(salesforce: Salesforce) -> None:
    salesforce.org.faults = Faults(slow_seconds=0.6, slow_calls=1)
    hasty = SalesforceCrm(salesforce.settings, POLICY.model_copy(update={"timeout_seconds": 0.2}))
    with pytest.raises(CrmUnavailable, match="did not answer"):
        hasty.leads(LEADS[:1])
    assert hasty.leads(LEADS[:1])
    hasty.close()


def test_contacts_since_a_watermark_come_oldest_modification_first(crm: Crm, request: pytest.FixtureRequest) -> None:
    entered, modified = parse_instant("2025-09-02T08:00:00Z"), parse_instant("2025-09-02T08:00:05Z")
    late = CrmContact(LEADS[1], 1001, entered, modified + timedelta(minutes=1))
    early = CrmContact(LEADS[2], 1002, entered, modified)
    old = CrmContact(LEADS[3], 1003, entered - timedelta(days=200), modified)
    before = CrmContact(LEADS[4], 1004, entered, modified - timedelta(minutes=1))
    if isinstance(crm, FakeCrm):
        crm.entered = [late, early, old, before]
    else:
        org = request.getfixturevalue("salesforce").org
        for each in (late, early, old, before):
            stamps = {POLICY.contacted_at_field: each.stage_entered_at, "SystemModstamp": each.modified_at}
            org.leads[each.lead_id] |= {name: at.strftime("%Y-%m-%dT%H:%M:%S.000+0000") for name, at in stamps.items()}
    assert crm.contacts(modified, entered - timedelta(days=90)) == [early, late]


@pytest.mark.filterwarnings("ignore::UserWarning")  # simple-salesforce says more of an unapproved user
def test_a_login_with_another_key_user_or_app_is_refused_with_what_to_check(salesforce: Salesforce, tmp_path: Path) -> None:
    other_key = keys.private_key(tmp_path / "other.pem")
    for changed in ({"private_key": other_key}, {"username": "somebody@else.example"}, {"consumer_key": "another-app"}, {"domain": "test"}):
        with pytest.raises(CrmUnavailable, match=r"refused the login.*certificate"):
            SalesforceCrm(replace(salesforce.settings, **changed), POLICY).leads(LEADS[:1])


def test_nobody_there_is_unavailable(salesforce: Salesforce) -> None:
    with pytest.raises(CrmUnavailable, match="did not answer"):
        SalesforceCrm(replace(salesforce.settings, url="http://127.0.0.1:9"), POLICY).leads(LEADS[:1])


def test_above_the_threshold_a_bulk_job_answers_for_each_record(salesforce: Salesforce) -> None:
    small = SalesforceCrm(salesforce.settings, POLICY.model_copy(update={"bulk_threshold": 10}))
    salesforce.org.leads[LEADS[3]]["IsConverted"] = True
    stranger = lead_id("00Q5e9999999999")
    updates = [
        FieldUpdate(lead, {BAND: "Hot", SCORE: 512, REASONS: 'a, "quoted"\nreason' if n else None}) for n, lead in enumerate(LEADS[:12])
    ]
    results = _update(small, [*updates, *_updates([stranger])])
    assert [r.lead_id for r in results] == [*LEADS[:12], stranger]
    assert {r.lead_id: r.error_code for r in results if not r.ok} == {
        LEADS[3]: "CANNOT_UPDATE_CONVERTED_LEAD",
        stranger: "INVALID_CROSS_REFERENCE_KEY",
    }
    assert salesforce.org.leads[LEADS[0]][REASONS] is None
    assert salesforce.org.leads[LEADS[1]][REASONS] == 'a, "quoted"\nreason'
    assert salesforce.org.leads[LEADS[1]][SCORE] == 512
    assert salesforce.org.leads[LEADS[1]]["OwnerId"] == OWNER
    small.close()


def test_a_session_that_expires_within_a_bulk_job_goes_on_with_the_same_job(salesforce: Salesforce) -> None:
    small = SalesforceCrm(salesforce.settings, POLICY.model_copy(update={"bulk_threshold": 10}))
    salesforce.org.faults.expire_share = 0.3
    assert all(result.ok for result in _update(small, _updates(LEADS[:20])))
    assert len(salesforce.org.write_log) == 20
    small.close()


def test_a_bulk_job_that_does_not_end_in_time_is_aborted_and_its_records_are_put_off(salesforce: Salesforce) -> None:
    salesforce.org.faults.stuck_jobs = True
    hasty = SalesforceCrm(salesforce.settings, POLICY.model_copy(update={"bulk_threshold": 10, "bulk_timeout_seconds": 0.5}))
    results = _update(hasty, _updates(LEADS[:12]))
    assert {(result.error_code, result.retryable) for result in results} == {("UNPROCESSED", True)}
    assert salesforce.org.write_log == []
    hasty.close()


def test_locked_rows_of_a_bulk_job_are_tried_again_in_collections(salesforce: Salesforce) -> None:
    small = SalesforceCrm(salesforce.settings, POLICY.model_copy(update={"bulk_threshold": 10}))
    salesforce.org.faults.locked_share = 0.5
    results = _update(small, _updates(LEADS[:40]))
    assert salesforce.org.struck["locked_share"] > 10
    assert sum(result.ok for result in results) > 35
    assert all(result.retryable for result in results if not result.ok)
    small.close()


def test_a_window_that_begins_within_a_second_holds_the_whole_second(salesforce: Salesforce) -> None:
    stamp = "2025-09-02T08:00:00.000+0000"
    salesforce.org.leads[LEADS[0]] |= {POLICY.contacted_at_field: stamp, "SystemModstamp": stamp}
    within = parse_instant("2025-09-02T08:00:00.123456Z")
    assert [contact.lead_id for contact in salesforce.crm.contacts(within, within)] == [LEADS[0]]


def test_an_empty_text_empties_the_field_also_in_bulk(salesforce: Salesforce) -> None:
    _update(salesforce.crm, [FieldUpdate(lead, {REASONS: "told before"}) for lead in LEADS[:12]])
    small = SalesforceCrm(salesforce.settings, POLICY.model_copy(update={"bulk_threshold": 10}))
    _update(small, [FieldUpdate(lead, {REASONS: ""}) for lead in LEADS[:12]])
    assert {salesforce.org.leads[lead][REASONS] for lead in LEADS[:12]} == {None}
    small.close()
