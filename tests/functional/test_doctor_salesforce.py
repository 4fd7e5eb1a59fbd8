"""The doctor's look at Salesforce: the sandbox's server broken in one way at a time."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from ops.doctor import rounds
from ops.doctor.check import Line, run
from ops.doctor.declared import score_fields
from ops.doctor.place import Place
from sandbox import keys
from sandbox.cloud import functions_environment
from sandbox.org import Org, Setup, lead_fields
from sandbox.salesforce import create_app
from shared import config, policies
from shared.config import ROOT

POLICY = policies.salesforce(ROOT / "policies")
SCORE, BAND, REASONS = POLICY.fields.score, POLICY.fields.band, POLICY.fields.reasons


@dataclass
class Patient:
    org: Org
    place: Place

    def lines(self) -> list[Line]:
        return [line for area in run(rounds.of_salesforce(self.place), lambda _: None) for line in area.lines]

    def wrong(self) -> dict[str, Line]:
        return {line.name: line for line in self.lines() if line.outcome != "green"}


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    org = Org(lead_fields(POLICY), {})
    login_key = keys.public_key(keys.private_key(tmp_path / "keys" / "salesforce.pem"))

    class Skewed(WSGIRequestHandler):
        """Salesforce's clock is also in the Date of its answers."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + org.faults.clock_ahead_seconds)

    server = make_server("127.0.0.1", 0, create_app(org, login_key), threaded=True, request_handler=Skewed)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    settings = config.load(functions_environment(tmp_path, f"http://127.0.0.1:{server.server_port}", "", "secret"))
    yield Patient(org, Place(settings, "sandbox", ""))
    server.shutdown()
    thread.join()


def test_a_sound_org_is_all_green(patient: Patient) -> None:
    names = {line.name for line in patient.lines() if line.outcome == "green"}
    assert patient.wrong() == {}
    assert {f"field {field.name}" for field in score_fields()} <= names
    assert {"clock", "login", "API calls", "flow Lead_Contacted", "permission set Lead_Score_Integration"} <= names


DEPLOY = "cd salesforce && sf project deploy start --source-dir"
ASSIGN = "sf org assign permset --name Lead_Score_Integration --on-behalf-of integration@sandbox.example"


def _field(org: Org, name: str, **changed: object) -> None:
    org.fields[name] = replace(org.fields[name], **changed)  # type: ignore[arg-type]


BREAKAGES: dict[str, tuple[Callable[[Org], object], str, str, str]] = {
    "field missing": (lambda o: o.fields.pop(SCORE), f"field {SCORE}", "is not there, or this user may not see it", f"{DEPLOY} force-app/main/default/objects"),
    "field read only": (lambda o: _field(o, BAND, updateable=False), f"field {BAND}", "may not be written by this user", ASSIGN),
    "field too short": (lambda o: _field(o, REASONS, length=80), f"field {REASONS}", "is string(80), needs string(255)", DEPLOY),
    "number without decimals": (lambda o: _field(o, POLICY.fields.probability, precision=9, scale=2), f"field {POLICY.fields.probability}", "is double(7,2), needs double(3,6)", DEPLOY),
    "text for a number": (lambda o: _field(o, SCORE, kind="text", length=18), f"field {SCORE}", "is string(18), needs double(6,0)", DEPLOY),
    "crd not readable": (lambda o: o.fields.pop(POLICY.crd_field), f"field {POLICY.crd_field}", "is not there", "policies/salesforce.yaml"),
    "stage stamp is a text": (lambda o: _field(o, POLICY.contacted_at_field, kind="text"), f"field {POLICY.contacted_at_field}", "is string, not date or datetime", "policies/salesforce.yaml"),
    "permission set": (lambda o: setattr(o, "setup", Setup(permission_sets=("Other",))), "permission set Lead_Score_Integration", "is not assigned to integration@sandbox.example", ASSIGN),
    "flow not installed": (lambda o: setattr(o, "setup", Setup(flows={})), "flow Lead_Contacted", "is not installed", "flows"),
    "flow not active": (lambda o: setattr(o, "setup", Setup(flows={"Lead_Contacted": False})), "flow Lead_Contacted", "is not active", "Activate"),
    "quota spent": (lambda o: setattr(o, "daily_limit", 5), "API calls", "we stop at 80%", "docs/operations.md#salesforce-quota"),
}  # fmt: skip


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_is_broken_is_named_alone_with_what_mends_it(patient: Patient, breakage: str) -> None:
    act, name, words, mend = BREAKAGES[breakage]
    act(patient.org)
    ((told, line),) = patient.wrong().items()
    assert (told, line.outcome) == (name, "red")
    assert words in line.words
    assert mend in line.mend


@pytest.mark.parametrize(
    ("answer", "meaning", "mend"),
    [
        ("invalid_grant: user hasn't approved this consumer", "the app does not know this user", ASSIGN),
        ("invalid_app_access: user is not admin approved to access this app", "the app does not know this user", ASSIGN),
        ("invalid_grant: audience is invalid", "SALESFORCE_DOMAIN is another login host", "salesforce.domain"),
        (
            "invalid_client_id: client identifier invalid",
            "the consumer key is of no app here",
            "gcloud secrets versions add salesforce-consumer-key",
        ),
        ("invalid_grant: invalid assertion", "the key does not belong to the app's certificate", "salesforce/make_certificate.sh DIR"),
        ("invalid_grant: certificate expired", "the certificate has expired", "salesforce/make_certificate.sh DIR"),
        ("invalid_grant: expired authorization code", "the clocks agree, so it is the certificate", "salesforce/make_certificate.sh DIR"),
        ("inactive_user: user is inactive", "the user is not active", "Setup > Users"),
    ],
)
def test_a_refused_login_says_why_and_what_rests_on_it_is_not_checked(patient: Patient, answer: str, meaning: str, mend: str) -> None:
    patient.org.faults.login_refused = answer
    wrong = patient.wrong()
    login = wrong.pop("login")
    assert login.outcome == "red"
    assert answer.partition(": ")[2] in login.words
    assert meaning in login.words
    assert mend in login.mend
    assert {name: line.outcome for name, line in wrong.items()} == {
        "fields of Lead": "not checked", "permission set Lead_Score_Integration": "not checked", "flow Lead_Contacted": "not checked",
    }  # fmt: skip


def test_a_clock_that_is_behind_is_told_from_an_expired_certificate(patient: Patient) -> None:
    patient.org.faults.clock_ahead_seconds = 400
    wrong = patient.wrong()
    assert "behind Salesforce: logins expire on the way" in wrong["clock"].words
    assert "expired" in wrong["login"].words
    assert {wrong["clock"].mend, wrong["login"].mend} == {"sudo timedatectl set-ntp true"}


def test_a_clock_that_is_off_is_named_before_it_breaks_a_login(patient: Patient) -> None:
    patient.org.faults.clock_ahead_seconds = -90
    ((name, line),) = patient.wrong().items()
    assert name == "clock"
    assert "s ahead of Salesforce" in line.words


def test_a_key_of_another_certificate_does_not_get_in(patient: Patient, tmp_path: Path) -> None:
    other = replace(patient.place.settings.salesforce, private_key=keys.private_key(tmp_path / "other.pem"))
    patient.place = replace(patient.place, settings=replace(patient.place.settings, salesforce=other))
    assert "the key does not belong to the app's certificate" in patient.wrong()["login"].words


@pytest.mark.parametrize("change", [{"private_key": "-----BEGIN CERTIFICATE-----"}, {"consumer_key": ""}, {"username": ""}])
def test_without_what_a_login_takes_it_is_not_tried(patient: Patient, change: dict[str, str]) -> None:
    lacking = replace(patient.place.settings.salesforce, **change)
    patient.place = replace(patient.place, settings=replace(patient.place.settings, salesforce=lacking))
    assert {line.outcome for line in patient.lines()} == {"not checked"}
    assert patient.org.calls == 0


def test_a_user_who_may_not_see_setup_leaves_it_to_an_administrator(patient: Patient) -> None:
    patient.org.setup = Setup(visible=False)
    wrong = patient.wrong()
    assert {line.outcome for line in wrong.values()} == {"not checked"}
    assert wrong["permission set Lead_Score_Integration"].mend.startswith('sf data query --query "SELECT Id FROM PermissionSetAssignment')
    assert "Setup > Flows" in wrong["flow Lead_Contacted"].mend


def test_a_user_who_may_not_see_leads_is_let_in_and_told_apart_from_a_refused_login(patient: Patient) -> None:
    patient.org.faults.lead_hidden = True
    wrong = patient.wrong()
    assert "404" in wrong["look at Lead"].words
    assert wrong["fields of Lead"].words == "the look at Lead failed"
    assert "login" not in wrong


def test_a_server_in_trouble_is_red_and_not_a_crash(patient: Patient) -> None:
    patient.org.faults.unavailable_share = 1.0
    assert "503" in patient.wrong()["login"].words
