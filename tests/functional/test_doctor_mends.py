"""The lines that mend are lines that run: gcloud's own parser takes each, and what they name is there."""

import json
import re
import shlex
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from shared.config import ROOT
from tests.functional.test_doctor_cloud import BREAKAGES, Patient, empty, patient

__all__ = ["patient"]

DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
needs_gcloud = pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")


def _gcloud(text: str) -> set[str]:
    """The gcloud commands of a line, with a value in place of what the shell would put there."""
    text = re.sub(r"\$\(.*?\)|\$\w+", "value", text)
    found = (command.strip() for command in re.findall(r"gcloud [^;&#<>\n]*", text))
    return {shlex.join(shlex.split(command)) for command in found}


def _refused(commands: set[str], folder: Path) -> dict[str, str]:
    """What gcloud's parser says of the commands it does not take. It calls nobody."""
    (folder / "commands.json").write_text(json.dumps([{"command_string": command} for command in sorted(commands)]))
    line = ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={folder / 'commands.json'}"]
    said = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    assert len(said) == len(commands)
    return {each["command_string"]: each["error_message"] for each in said if not each["success"]}


@needs_gcloud
def test_every_line_that_mends_a_project_is_a_command_gcloud_knows(patient: Patient, tmp_path: Path) -> None:
    for act, *_ in BREAKAGES.values():
        with suppress(KeyError, StopIteration, ValueError):  # two that break the same thing
            act(patient.google)
    mends = [line.mend for line in patient.wrong()]
    empty(patient.google)
    mends += [line.mend for line in patient.wrong()]
    commands = {command for mend in mends for command in _gcloud(mend)}
    assert len(commands) > 25
    assert _refused(commands, tmp_path) == {}


@needs_gcloud
def test_the_check_would_see_a_flag_that_is_not(tmp_path: Path) -> None:
    assert _refused({"gcloud pubsub subscriptions update score-lead --dead-letter 5"}, tmp_path)


@needs_gcloud
def test_every_gcloud_line_of_the_checklist_is_one_gcloud_knows(tmp_path: Path) -> None:
    commands = {command for block in re.findall(r"```sh\n(.*?)```", DEPLOY, re.DOTALL) for command in _gcloud(block)}
    commands |= {command for inline in re.findall(r"`(gcloud [^`]+)`", DEPLOY) for command in _gcloud(inline)}
    assert len(commands) >= 5
    assert _refused(commands, tmp_path) == {}


def test_files_commands_and_headings_the_checklist_names_are_there() -> None:
    named = re.findall(r"(?<![\w/.-])((?:infra|deploy|docs|policies|salesforce|contracts)/[\w./-]+\.\w+)", DEPLOY)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []
    known = subprocess.run([ROOT / ".venv/bin/python", "-m", "ops", "--help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    commands = set(re.findall(r"\./leadscore (\w+)", DEPLOY))
    assert commands >= {"doctor", "models", "explain", "ingest"}
    assert [command for command in commands if command not in known] == []
    for page, anchor in re.findall(r"\]\((\w*(?:\.md)?)#([\w-]+)\)", DEPLOY):
        assert anchor in _anchors(ROOT / "docs" / (page or "deploy.md")), f"{page}#{anchor}"


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}


def test_the_steps_of_the_table_are_the_steps_below_it() -> None:
    assert re.findall(r"^\| (\d+) \|", DEPLOY, re.MULTILINE) == re.findall(r"^## (\d+)\.", DEPLOY, re.MULTILINE)
