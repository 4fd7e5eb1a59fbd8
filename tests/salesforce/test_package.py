"""The package in salesforce/ and the names in policies/salesforce.yaml are two views of one thing."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sandbox.org import lead_fields
from shared.config import ROOT
from shared.policies import salesforce

PACKAGE = ROOT / "salesforce" / "force-app" / "main" / "default"
POLICY = salesforce(ROOT / "policies")
SCORE_FIELDS = set(POLICY.fields.model_dump().values())
FIELDS = sorted((PACKAGE / "objects" / "Lead" / "fields").glob("*.xml"))


def read(path: Path) -> ET.Element:
    root = ET.parse(path).getroot()  # noqa: S314 - our own files
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def texts(root: ET.Element, path: str) -> set[str]:
    return {element.text or "" for element in root.iterfind(path)}


def permissions(name: str) -> dict[str, bool]:
    granted = read(PACKAGE / "permissionsets" / f"{name}.permissionset-meta.xml").iterfind("fieldPermissions")
    return {str(g.findtext("field")).removeprefix("Lead."): g.findtext("editable") == "true" for g in granted}


def test_the_package_creates_exactly_the_fields_the_policy_names() -> None:
    assert {read(path).findtext("fullName") for path in FIELDS} == SCORE_FIELDS


@pytest.mark.parametrize("path", FIELDS, ids=lambda path: path.name.split(".")[0])
def test_a_field_is_of_the_type_the_sandbox_holds_us_to(path: Path) -> None:
    declared, spec = read(path), lead_fields(POLICY)[path.name.split(".")[0]]
    assert {"text": "Text", "number": "Number", "datetime": "DateTime"}[spec.kind] == declared.findtext("type")
    assert int(declared.findtext("length") or 0) == spec.length


def test_the_integration_user_may_write_the_scores_and_only_read_what_it_needs() -> None:
    granted = permissions("Lead_Score_Integration")
    assert {name for name, editable in granted.items() if editable} == SCORE_FIELDS
    assert {name for name, editable in granted.items() if not editable} == {POLICY.crd_field, "Stage_Entered_Contacting__c"}


def test_readers_may_write_nothing() -> None:
    assert permissions("Lead_Score_Reader") == dict.fromkeys(SCORE_FIELDS, False)


def test_the_list_view_the_section_and_the_message_name_fields_that_exist() -> None:
    known = set(lead_fields(POLICY))
    lead = PACKAGE / "objects" / "Lead"
    section = texts(read(lead / "fieldSets" / "Lead_Score.fieldSet-meta.xml"), "displayedFields/field")
    columns = texts(read(lead / "listViews" / "Hot_Leads.listView-meta.xml"), "columns")
    sent = texts(read(PACKAGE / "workflows" / "Lead.workflow-meta.xml"), "outboundMessages/fields")
    assert section == SCORE_FIELDS
    assert {column for column in columns if column.endswith("__c")} <= known
    assert sent <= known


def test_the_bands_of_the_list_view_are_bands_of_the_policy() -> None:
    shown = read(PACKAGE / "objects" / "Lead" / "listViews" / "Hot_Leads.listView-meta.xml").findtext("filters/value") or ""
    declared = (ROOT / "policies" / "bands.yaml").read_text()
    assert all(f"name: {band}," in declared for band in shown.split(","))


def test_the_flow_sends_the_message_of_the_package() -> None:
    flow = read(PACKAGE / "flows" / "Lead_Contacted.flow-meta.xml")
    message = read(PACKAGE / "workflows" / "Lead.workflow-meta.xml").findtext("outboundMessages/fullName")
    assert flow.findtext("actionCalls/actionName") == f"Lead.{message}"
    assert flow.findtext("start/connector/targetReference") == flow.findtext("actionCalls/name")


def test_the_certificate_script_makes_a_pair_that_belongs_together(tmp_path: Path) -> None:
    subprocess.run([ROOT / "salesforce" / "make_certificate.sh", tmp_path], check=True, capture_output=True)
    key = subprocess.run(["openssl", "pkey", "-in", tmp_path / "salesforce.key", "-pubout"], check=True, capture_output=True).stdout
    public = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "salesforce.crt", "-pubkey", "-noout"], check=True, capture_output=True
    ).stdout
    assert key == public
    assert (tmp_path / "salesforce.key").stat().st_mode & 0o077 == 0
