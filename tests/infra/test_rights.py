"""A function may do what it does, and nothing else: the rights planned for it are those its own code was seen to need."""

from pathlib import Path

import pytest

from sandbox.topology import topology
from tests.conftest import Trained
from tests.infra.plan import Plan
from tests.infra.rehearsal import REHEARSALS, SALESFORCE_SECRETS, Touched, stage


def _declared(function: str) -> Touched:
    said = topology().functions[function]
    return Touched(set(said.publishes), set(said.reads), set(said.writes), set(said.secrets), said.models, said.keeps)


def test_every_function_is_rehearsed() -> None:
    assert set(REHEARSALS) == set(topology().functions), "say in tests/infra/rehearsal.py how the function is run"


@pytest.mark.parametrize("function", REHEARSALS)
def test_what_a_function_touches_is_what_it_declares(function: str, trained: Trained, tmp_path: Path) -> None:
    with stage(trained.copy(tmp_path / "world")) as on:
        REHEARSALS[function](on)
        assert on.touched == _declared(function)


@pytest.mark.parametrize("function", sorted(topology().functions))
def test_rights_are_those_of_what_it_touches_and_no_others(function: str, plans: dict[str, Plan]) -> None:
    for plan in plans.values():
        account = f"fn-{function.replace('_', '-')}"
        planned = {(role, on) for member, role, on in plan.rights() if member == account}
        assert planned == _declared(function).rights("example-project-models")


def test_each_function_and_job_has_an_account_of_its_own(plans: dict[str, Plan]) -> None:
    accounts = plans["prod"].resources("google_service_account", "functions")
    assert len({a.values["account_id"] for a in accounts.values()}) == len(accounts) == len(topology().functions)
    assert set(plans["prod"].resources("google_service_account", "jobs")) == set(topology().jobs)


def test_only_the_push_account_may_invoke_and_only_what_it_fires(plans: dict[str, Plan]) -> None:
    invoked = {(member, on) for member, role, on in plans["prod"].rights() if role == "run.invoker"}
    fired = {name for name, f in topology().functions.items() if f.trigger != "http"} | set(topology().jobs)
    assert invoked == {("leadscore-push", name.replace("_", "-")) for name in fired}


def test_a_function_that_keeps_something_may_write_that_object_and_no_other(plans: dict[str, Plan]) -> None:
    kept = plans["prod"].resources("google_storage_bucket_iam_member", "functions_keep")
    said = {name: function.keeps for name, function in topology().functions.items() if function.keeps}
    assert {name: r.block("condition")["expression"] for name, r in kept.items()} == {
        name: f'resource.name == "projects/_/buckets/example-project-models/objects/{keeps}"' for name, keeps in said.items()
    }


def test_secrets_hold_only_what_a_setting_is_read_from(plans: dict[str, Plan]) -> None:
    assert set(plans["prod"].resources("google_secret_manager_secret")) == {*SALESFORCE_SECRETS, "ingress-secret"}
    assert not plans["prod"].resources("google_secret_manager_secret_version")
