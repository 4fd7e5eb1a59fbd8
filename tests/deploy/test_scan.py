"""One of each is planted in a repository of its own, in pieces here so that this file is clean."""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest

from deploy import scan
from deploy.scan import Allowed

HEX = hashlib.sha256(b"planted").hexdigest()[:40]
LETTERS = base64.b32encode(hashlib.sha512(b"planted").digest()).decode().strip("=").capitalize()
PLANTED = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "service account key": '"private_key' + f'_id": "{HEX}"',
    "Google API key": "AIza" + LETTERS[:35],
    "Google access token": "ya29." + "a0AfH6SMBx1234567890abcdef",
    "Salesforce session": "00D5e00000" + "1AbCd!AQEAQ." + LETTERS,
    "Salesforce id": "lead 00Q5e00000" + "2AbXyEAK",
    "github token": "ghp_" + LETTERS[:36],
    "aws access key": "AKIA" + "Z7Q2M4T6V8X1C3B5",
    "slack token": "xoxb-" + f"123456789012-1234567890123-{LETTERS[:24]}",
    "json web token": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "basic auth credentials": "https://user:" + "Tr0ub4dor3@db.example.com/",
    "secret keyword": "password" + ' = "Tr0ub4dor&3xyz"',
    "hex high entropy string": f'digest = "{HEX}"',
    "base64 high entropy string": 'blob = "' + 'c3VwZXIgbG9uZyBzdHJpbmcgc2hvdWxkIGNhdXNlIGVub3VnaCBlbnRyb3B5"',
    "e-mail address": "ada" + "@" + "lovelace-advisors.com",
    "telephone number": "(415) 867" + "-5309",
    "social security number": "219-09" + "-9999",
    "path of one machine": "/home" + "/ada/leads.csv",
    "package index": "https://" + "pypi" + ".org/simple",
    "project id": "projects" + "/acme-prod-123/topics",
}
CLEAN = """\
write to advisor@example.com or ops@team.example; dev logs in as user@example.com.dev
call 555-0100 or (212) 555-0142; 2025-01-31; 120-450; port 8080; 0.1234567890
leadscore-push@example-project.iam.gserviceaccount.com, service-1@gcp-sa-pubsub.iam.gserviceaccount.com
projects/example-project/topics, gs://example-project-models, projects/${PROJECT_ID}/secrets
00Q5e0000026979EAA 00D000000000001EAA 001234567890123 /home/ $HOME/x ~/x docs/home/x
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "clean.txt").write_text(CLEAN)
    return tmp_path


def test_what_is_harmless_is_left_alone(repository: Path) -> None:
    assert scan.scan(repository, ()) == []


@pytest.mark.parametrize("rule", PLANTED)
def test_what_is_planted_is_named_with_its_place_and_not_repeated_whole(rule: str, repository: Path) -> None:
    (repository / "notes").mkdir()
    (repository / "notes" / "leads.py").write_text(f"# notes\n\n{PLANTED[rule]}\n")
    found = scan.scan(repository, ())
    assert any(line.startswith(f"notes/leads.py:3: {rule}: ") for line in found), found
    assert not any(PLANTED[rule] in line for line in found)


def test_a_comment_excuses_nothing(repository: Path) -> None:
    (repository / "leads.py").write_text(f"{PLANTED['github token']}  # pragma: allowlist " + "secret\n")
    assert scan.scan(repository, ()) != []


def test_what_is_no_text_is_named(repository: Path) -> None:
    (repository / "key.p12").write_bytes(b"0\x82\x00\x01")
    assert scan.scan(repository, ()) == ["key.p12:1: not text: "]


def test_what_git_ignores_is_not_read(repository: Path) -> None:
    (repository / ".gitignore").write_text("build/\n")
    (repository / "build").mkdir()
    (repository / "build" / "leads.csv").write_text(PLANTED["e-mail address"])
    assert scan.scan(repository, ()) == []


def test_an_excuse_is_for_one_rule_in_one_file_and_must_still_be_needed(repository: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (repository / name).write_text(f"{PLANTED['e-mail address']}\n")
    excuse = Allowed(file="one.txt", rule="e-mail address", text="lovelace", reason="she is long dead")
    (found,) = scan.scan(repository, [excuse])
    assert found.startswith("two.txt:1: e-mail address")
    (repository / "one.txt").unlink()
    assert "one.txt: e-mail address: nothing holds 'lovelace' any more" in scan.scan(repository, [excuse])[1]


def test_it_ends_in_one_when_something_is_found(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan.main([str(repository)]) == 0
    (repository / "leads.csv").write_text(PLANTED["telephone number"])
    assert scan.main([str(repository)]) == 1
    assert "leads.csv:1: telephone number" in capsys.readouterr().out


def test_an_uploaded_copy_without_git_is_read_as_git_would(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "build").mkdir()
    for name in ("leads.csv", "build/leads.csv"):
        (tmp_path / name).write_text(PLANTED["e-mail address"])
    (found,) = scan.scan(tmp_path, ())
    assert found.startswith("leads.csv:1: e-mail address")
    assert not (tmp_path / ".git").exists()
