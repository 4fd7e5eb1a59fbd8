"""`./leadscore doctor` beside a sandbox that is up: all green; with many things broken, every one is named in one run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import requests

from shared.adapters.directory import DirectoryObjects
from shared.adapters.lease import connect
from shared.config import ROOT
from shared.model.artifact import MANIFEST
from shared.model.registry import Registry
from tests.conftest import Trained
from tests.e2e.conftest import Running

SUBSCRIPTIONS = "v1/projects/example-project/subscriptions"


def doctor(up: Running, out: Path, *more: str) -> tuple[int, str, dict[str, dict[str, str]]]:
    """Exit status, what was printed, and the lines by name."""
    command = [sys.executable, "-m", "ops", "doctor", "--world", str(up.world.path), "--json", str(out), *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "300"})
    assert done.stderr == ""
    said = json.loads(out.read_text())
    lines = {line["name"]: line for area in said["areas"] for line in area["lines"]}
    assert sum(said["counts"].values()) == sum(len(area["lines"]) for area in said["areas"])
    return done.returncode, done.stdout, lines


def red(lines: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: line for name, line in lines.items() if line["outcome"] == "red"}


def test_a_sandbox_that_is_up_is_all_green_within_seconds(up: Running, tmp_path: Path) -> None:
    status, said, lines = doctor(up, tmp_path / "found.json")
    assert status == 0, said
    assert {line["outcome"] for line in lines.values()} == {"green"}
    assert " 0 red, 0 not checked" in said
    assert {"secret ingress-secret", "login", "subscription score-lead", "tables of scores", "champion", "contract advisor"} <= lines.keys()


def test_before_asks_only_what_must_hold_before_anything_is_applied(up: Running, tmp_path: Path) -> None:
    status, _, lines = doctor(up, tmp_path / "found.json", "--before")
    assert status == 0
    assert {"login", "secret salesforce-private-key"} <= lines.keys()
    assert not {"champion", "subscription score-lead", "tables of scores"} & lines.keys()


@contextmanager
def broken(up: Running) -> Iterator[dict[str, tuple[str, str]]]:
    """Break nine things; what each must be called by, with words and mend; and put them right again."""
    world, salesforce, bus = up.world.path, up.cloud.salesforce, up.cloud.bus
    note = world / "cloud.json"
    version = json.loads((world / "objects" / "registry" / "champion.json").read_text())["version"]
    arrays = next((world / "objects" / "models" / version).glob("*.npz"))
    kept, told = arrays.read_bytes(), note.read_text()
    policy = {"deadLetterTopic": "projects/example-project/topics/dead-letters"}

    up.cloud.post(f"{salesforce}/sandbox/fields", {"Lead_Score__c": None, "Lead_Score_Bucket__c": _text(20, updateable=False)})
    up.cloud.post(f"{salesforce}/sandbox/setup", {"permission_sets": [], "flows": {"Lead_Contacted": False}})
    _patch(bus, "score-lead", {}, "deadLetterPolicy")
    _patch(bus, "sync-scores", {"ackDeadlineSeconds": 10}, "ackDeadlineSeconds")
    arrays.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    _execute(up, "ALTER TABLE vendor.rep_snapshots DROP COLUMN total_assets_m")
    note.write_text(json.dumps({**json.loads(told), "ingress_secret": ""}))
    yield {
        "field Lead_Score__c": ("is not there, or this user may not see it", "sf project deploy start"),
        "field Lead_Score_Bucket__c": ("may not be written by this user", "sf org assign permset --name Lead_Score_Integration"),
        "permission set Lead_Score_Integration": ("is not assigned", "sf org assign permset --name Lead_Score_Integration"),
        "flow Lead_Contacted": ("is not active", "Setup > Flows > Lead_Contacted > Activate"),
        "subscription score-lead": ("has no dead letter", "make serve WORLD="),
        "subscription sync-scores": ("waits 10 s for an answer, the function works up to 300 s", "make serve WORLD="),
        "champion": (
            f"{version} cannot be read: {arrays.name} of the artefact does not match its sha256",
            "./leadscore train --promote --world",
        ),
        "column vendor.rep_snapshots.total_assets_m": (
            "is not there; it is declared as FLOAT64",
            "ALTER TABLE vendor.rep_snapshots ADD COLUMN total_assets_m DOUBLE",
        ),
        "secret ingress-secret": ("is empty: it would refuse everybody", "make serve WORLD="),
    }
    up.cloud.post(f"{salesforce}/sandbox/fields", {"Lead_Score__c": {"kind": "number", "precision": 6}, "Lead_Score_Bucket__c": _text(20)})
    up.cloud.post(f"{salesforce}/sandbox/setup", {"permission_sets": ["Lead_Score_Integration"], "flows": {"Lead_Contacted": True}})
    _patch(bus, "score-lead", {"deadLetterPolicy": policy}, "deadLetterPolicy")
    _patch(bus, "sync-scores", {"ackDeadlineSeconds": 330}, "ackDeadlineSeconds")
    arrays.write_bytes(kept)
    _execute(up, "ALTER TABLE vendor.rep_snapshots ADD COLUMN total_assets_m DOUBLE")
    note.write_text(told)


def _mend(line: str) -> None:
    done = subprocess.run(line, cwd=ROOT, shell=True, check=False, capture_output=True, text=True)  # noqa: S602 - it is what is tested
    assert done.returncode == 0, done.stdout + done.stderr


def _text(length: int, *, updateable: bool = True) -> dict[str, object]:
    return {"kind": "text", "length": length, "updateable": updateable}


def _patch(bus: str, name: str, subscription: dict[str, object], mask: str) -> None:
    requests.patch(f"{bus}/{SUBSCRIPTIONS}/{name}", json={"subscription": subscription, "updateMask": mask}, timeout=10).raise_for_status()


def _execute(up: Running, statement: str) -> None:
    with closing(connect(up.world.path / "warehouse.duckdb", threads=1)) as connection:
        connection.execute(statement)


def test_nine_broken_things_are_all_named_in_one_run_each_with_what_mends_it(up: Running, tmp_path: Path) -> None:
    with broken(up) as expected:
        status, said, lines = doctor(up, tmp_path / "found.json")
        assert status == 1
        assert red(lines).keys() == expected.keys()
        for name, (words, mend) in expected.items():
            assert words in lines[name]["words"], name
            assert mend in lines[name]["mend"], name
            assert f"{name}: {lines[name]['words']}" in said
        assert lines["contract of the champion"]["outcome"] == "not checked"
    assert doctor(up, tmp_path / "found.json")[0] == 0


def test_the_line_shown_for_a_broken_only_champion_trains_a_first_one_anew(up: Running, trained: Trained, tmp_path: Path) -> None:
    next((up.world.path / "objects" / "models" / trained.version).glob("*.npz")).write_bytes(b"")
    _, _, lines = doctor(up, tmp_path / "found.json")
    _mend(lines["champion"]["mend"])
    status, _, lines = doctor(up, tmp_path / "found.json")
    assert (status, trained.version in lines["champion"]["words"]) == (0, True)


def test_the_line_shown_for_a_broken_champion_goes_back_to_the_one_before(up: Running, trained: Trained, tmp_path: Path) -> None:
    """A second champion, the same model under another version, loses a byte; the way back is the line below it."""
    objects = up.world.path / "objects"
    folder = objects / "models" / trained.version
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files[MANIFEST] = files[MANIFEST].replace(b'"code_version": "', b'"code_version": "later-')
    registry = Registry(DirectoryObjects(objects))
    second = registry.save(files)
    registry.point("champion", second, by="tests", reason="second", at=datetime.now(UTC))
    next((objects / "models" / second).glob("*.npz")).write_bytes(b"")
    status, _, lines = doctor(up, tmp_path / "found.json")
    assert status == 1
    assert red(lines).keys() == {"champion"}
    _mend(lines["champion"]["mend"].replace("YOU", "tests").replace("WHY", "'the doctor said so'"))
    status, _, lines = doctor(up, tmp_path / "found.json")
    assert (status, trained.version in lines["champion"]["words"]) == (0, True)


def test_the_lines_shown_for_columns_mend_them(up: Running, tmp_path: Path) -> None:
    _execute(up, "ALTER TABLE scores.ledger DROP COLUMN reasons; ALTER TABLE scores.ledger ALTER score TYPE VARCHAR")
    status, _, lines = doctor(up, tmp_path / "found.json")
    assert status == 1
    assert red(lines).keys() == {"column scores.ledger.reasons", "column scores.ledger.score"}
    for line in red(lines).values():
        _mend(line["mend"])
    assert doctor(up, tmp_path / "found.json")[0] == 0


def test_a_column_the_champion_reads_is_named_by_its_contract_too(up: Running, tmp_path: Path) -> None:
    _execute(up, "ALTER TABLE vendor.rep_snapshots RENAME COLUMN total_assets_m TO assets")
    try:
        status, _, lines = doctor(up, tmp_path / "found.json")
    finally:
        _execute(up, "ALTER TABLE vendor.rep_snapshots RENAME COLUMN assets TO total_assets_m")
    assert status == 1
    assert red(lines).keys() == {"column vendor.rep_snapshots.total_assets_m", "contract advisor"}
    assert "total_assets_m" in lines["contract advisor"]["words"]


def test_an_expired_certificate_is_named_and_what_rests_on_the_login_is_not_called_green(up: Running, tmp_path: Path) -> None:
    up.cloud.post(f"{up.cloud.salesforce}/sandbox/faults", {"login_refused": "invalid_grant: certificate expired"})
    try:
        status, said, lines = doctor(up, tmp_path / "found.json", "--before")
    finally:
        up.cloud.post(f"{up.cloud.salesforce}/sandbox/faults", {"login_refused": ""})
    assert status == 1
    assert red(lines).keys() == {"login"}
    assert "salesforce/make_certificate.sh" in lines["login"]["mend"]
    assert "fields of Lead: not checked, because the login failed" in said


def test_a_function_that_is_down_does_not_answer(up: Running, tmp_path: Path) -> None:
    _patch(up.cloud.bus, "score-page", {"pushConfig": {"pushEndpoint": "http://127.0.0.1:9/score_page"}}, "pushConfig")
    try:
        status, _, lines = doctor(up, tmp_path / "found.json")
    finally:
        _patch(up.cloud.bus, "score-page", {"pushConfig": {"pushEndpoint": f"{up.cloud.functions}/score_page"}}, "pushConfig")
    assert status == 1
    assert red(lines).keys() == {"function score_page"}


def test_a_subscription_without_a_dead_letter_goes_on_for_ever_so_the_doctor_is_right_to_mind(up: Running) -> None:
    """The bus obeys what the doctor reads: a message nobody can read is delivered again and again, and never filed."""
    before = len(list((up.world.path / "dead_letters").glob("*.json")))
    _patch(up.cloud.bus, "sync-scores", {}, "deadLetterPolicy")
    _patch(up.cloud.bus, "sync-scores", {"pushConfig": {"pushEndpoint": "http://127.0.0.1:9/nobody"}}, "pushConfig")
    message = {"messages": [{"data": "e30="}]}
    requests.post(f"{up.cloud.bus}/v1/projects/example-project/topics/lead-scored:publish", json=message, timeout=10).raise_for_status()
    time.sleep(8)  # five attempts take 0.2 + 0.4 + 0.8 + 1.6 s
    assert up.cloud.get(f"{up.cloud.bus}/sandbox/stats")["outstanding"] == 1
    policy = {"deadLetterTopic": "projects/example-project/topics/dead-letters"}
    _patch(up.cloud.bus, "sync-scores", {"deadLetterPolicy": policy}, "deadLetterPolicy")
    up.settle()
    assert len(list((up.world.path / "dead_letters").glob("*.json"))) == before + 1


def test_without_a_running_sandbox_the_doctor_says_what_to_start(trained: Trained) -> None:
    command = [sys.executable, "-m", "ops", "doctor", "--world", str(trained.world.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No sandbox is running" in done.stderr
