"""Terraform itself, on a copy of `infra/`: formatted, valid, planned, applied, planned again, and broken on purpose."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.infra import breakages, workshop
from tests.infra.breakages import BREAKAGES, Answer, Breakage
from tests.infra.conftest import WORKERS
from tests.infra.plan import Plan
from tests.infra.workshop import ENVIRONMENTS, INFRA, Workshop

LONGEST_LINE = 79


def test_files_are_formatted_valid_and_narrow(terraform: Workshop) -> None:
    with workshop.workshop(adopting=True) as whole:
        assert whole.terraform("fmt", "-check", "-recursive").code == 0
        assert whole.terraform("validate").code == 0
    for path in [*INFRA.glob("*.tf"), *INFRA.glob("*.tfvars")]:
        assert [line for line in path.read_text().splitlines() if len(line) > LONGEST_LINE] == [], path.name


def test_no_file_runs_commands_or_draws_random_names() -> None:
    text = "".join(path.read_text() for path in INFRA.glob("*.tf"))
    assert not re.search(r"local-exec|remote-exec|null_resource|random_", text)


def test_every_variable_is_described_and_every_choice_validated() -> None:
    for block in re.split(r"(?=^variable )", (INFRA / "variables.tf").read_text(), flags=re.MULTILINE)[1:]:
        assert "description" in block
        assert "validation {" in block or "type        = bool" in block, block.splitlines()[0]


def test_terraforms_own_tests_pass_and_refuse_every_validation_once(terraform: Workshop) -> None:
    files = sorted(path.name for path in (INFRA / "tests").glob("*.tftest.hcl"))
    with ThreadPoolExecutor(WORKERS) as pool:
        said = list(pool.map(lambda name: terraform.terraform("test", "-no-color", f"-filter=tests/{name}"), files))
    assert [one.require().code for one in said] == [0] * len(files)
    refused = re.findall(r"\bvar\.\w+", (INFRA / "tests" / "validations.tftest.hcl").read_text())
    blocks = (INFRA / "variables.tf").read_text().count("validation {")
    assert len(refused) == blocks


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_sets_only_variables_there_are(environment: str) -> None:
    """Terraform only warns of a misspelt name in a file of values."""
    declared = set(re.findall(r'^variable "(\w+)"', (INFRA / "variables.tf").read_text(), re.MULTILINE))
    assert set(re.findall(r"^(\w+)\s*=", (INFRA / f"{environment}.tfvars").read_text(), re.MULTILINE)) <= declared


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_plan_breaks_no_policy(environment: str, plans: dict[str, Plan]) -> None:
    assert list(workshop.policy().check(plans[environment].raw)) == []


def test_with_an_entrance_the_policy_objects_to_that_one_function_and_nothing_else(terraform: Workshop) -> None:
    """The price of news within the minute; docs/adr says why it is not the default."""
    entrance = json.dumps({"host": "leads.example.com", "addresses": ["203.0.113.0/24"]})
    with workshop.workshop() as open_:
        open_.plan("prod", entrance=entrance).require()
        found = list(workshop.policy().check(open_.shown("prod")))
    assert sorted(found) == [
        'google_cloud_run_v2_service_iam_member.entrance["receive_stage_change"]: granted to the public',
        'google_cloudfunctions2_function.functions["receive_stage_change"]: reachable from the internet',
    ]


def test_what_was_applied_plans_to_no_change() -> None:
    if workshop.missing():
        pytest.skip(workshop.missing())
    with workshop.workshop() as fresh:
        fresh.plan("staging").require()
        fresh.terraform("apply", "-input=false", "staging.plan").require()
        assert fresh.plan("staging", "-detailed-exitcode").require().code == 0


def test_what_the_bootstrap_made_is_adopted_and_nothing_else(terraform: Workshop) -> None:
    with workshop.workshop(adopting=True) as whole:
        whole.plan("dev").require()
        changes = whole.shown("dev")["resource_changes"]
    adopted = {change["address"]: change["change"]["importing"]["id"] for change in changes if "importing" in change["change"]}
    bootstrap = (INFRA / "bootstrap.sh").read_text()
    assert len(adopted) == 5
    for identity in adopted.values():
        name = identity.rpartition("/")[2].removeprefix("example-project-")
        assert re.search(rf"\b{name}\b", bootstrap), f"{name} is adopted, and infra/bootstrap.sh does not make it"


@pytest.fixture(scope="module")
def refusals(terraform: Workshop) -> dict[Breakage, Answer]:
    return breakages.answers(terraform, WORKERS)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_a_breakage_is_refused_in_words_that_name_it(breakage: Breakage, refusals: dict[Breakage, Answer]) -> None:
    assert refusals[breakage].refuses(breakage), refusals[breakage]
