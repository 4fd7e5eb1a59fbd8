from pathlib import Path

import pytest

from shared.asof.contract import Contract, load_contract
from shared.errors import ContractError
from tests.conftest import CONTRACTS

HEAD = """name: calls
lead: {table: calls, key: id, contacted_at: at, outcome: {column: y, positive: "yes"}}
sources:
  calls: {kind: event, known_at: at}
features:
  - {name: age, source: calls, column: age, dtype: float}
"""


def _load(tmp_path: Path, text: str) -> Contract:
    path = tmp_path / "contract.yaml"
    path.write_text(text)
    return load_contract(path)


def test_the_contracts_that_ship_are_valid_and_refuse_what_is_not_known_at_contact() -> None:
    advisor = load_contract(CONTRACTS / "advisor.yaml")
    assert len(advisor.usable) == 14
    assert {"days_in_gap", "has_email_in_crm", "days_to_conversion"} < advisor.refused.keys()
    bank = load_contract(CONTRACTS / "bank_marketing.yaml")
    assert list(bank.refused) == ["duration"]
    assert "euribor3m" in [feature.name for feature in bank.usable]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  - {name: x, source: nowhere, column: x, dtype: float}", "no source 'nowhere'"),
        ("  - {name: age, source: calls, column: b, dtype: float}", "age is defined twice"),
        ("  - {name: x, source: calls, dtype: float}", "column or sql"),
        ("  - {name: x, source: calls, column: x, dtype: money}", "contract.yaml:7: features[1].dtype"),
        ("  - {name: x, source: calls, column: x, dtype: category}", "lists its levels"),
        ("  - {name: x, source: calls, column: x, dtype: float, colour: red}", "colour"),
        ("  - {name: 9 lives, source: calls, column: x, dtype: float}", "cannot be a column name"),
        ("  - {name: x, source: calls, column: x, dtype: category, levels: [a], sentence: '{value:.1f}'}", "cannot say a category"),
        ("  - {name: x, source: features, sql: 'nothing_known + 1', dtype: float}", "names no feature declared before it"),
        (
            "  - {name: x, source: features, sql: 'later + 1', dtype: float}\n  - {name: later, source: calls, column: l, dtype: float}",
            "declared before it",
        ),
    ],
)
def test_a_fault_in_a_feature_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ContractError) as fault:
        _load(tmp_path, HEAD + line + "\n")
    assert said in str(fault.value)


@pytest.mark.parametrize(
    ("lead", "said"),
    [
        ("reopened: first, outcome: {event_at: won, window_days: 30}", "without known_at there is one row a lead"),
        ("reopened: first, known_at: k, outcome: {column: y, positive: '1'}", "needs an outcome with event_at"),
        ("reopened: never, known_at: k, outcome: {event_at: won}", "lead.reopened"),
        ("entries: {table: e}, known_at: k, outcome: {event_at: won}", "lead.entries.key"),
    ],
)
def test_a_rule_for_leads_worked_anew_that_cannot_be_followed_is_refused(tmp_path: Path, lead: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        _load(tmp_path, HEAD.replace('outcome: {column: y, positive: "yes"}', lead))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{kind: event}", "contract.yaml:4: sources.calls: a source without known_at needs event_time, lag_days, and a waiver"),
        ("{kind: vintage, known_at: k}", "needs event_time"),
        ("{kind: event, known_at: k, on: crd}", "lead.crd names no column"),
        ("{kind: event, known_at: k, on: firm.crd}", "earlier source"),
        ("{kind: event, known_at: k, max_age_days: 3}", "max_age_days is for vintage"),
    ],
)
def test_a_source_without_its_clocks_or_its_key_is_refused(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ContractError) as fault:
        _load(tmp_path, HEAD.replace("{kind: event, known_at: at}", source))
    assert said in str(fault.value)


def test_an_outcome_is_an_event_or_a_value_not_both(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"event_at .* or column with positive"):
        _load(tmp_path, HEAD.replace('column: y, positive: "yes"', 'column: y, positive: "yes", event_at: won'))


def test_what_rests_on_a_refused_feature_is_refused_too(tmp_path: Path) -> None:
    contract = _load(
        tmp_path,
        HEAD
        + "  - {name: duration, source: calls, column: duration, dtype: float, known: after_contact}\n"
        + "  - {name: minutes, source: features, sql: 'duration / 60', dtype: float}\n"
        + "  - {name: long_call, source: features, sql: 'minutes > 5', dtype: bool}\n",
    )
    assert [feature.name for feature in contract.usable] == ["age"]
    assert contract.refused["minutes"] == "it is computed from duration, which is refused"


def test_the_outcome_personal_data_and_denied_columns_never_become_features(tmp_path: Path) -> None:
    contract = _load(
        tmp_path,
        HEAD.replace("sources:", "deny: [phone]\nsources:")
        + "  - {name: won, source: calls, column: y, dtype: bool}\n"
        + "  - {name: mail, source: calls, column: mail, dtype: bool, pii: true}\n"
        + "  - {name: has_phone, source: calls, column: phone, dtype: bool}\n",
    )
    assert set(contract.refused) == {"won", "mail", "has_phone"}


def test_a_contract_that_refuses_every_feature_says_so(tmp_path: Path) -> None:
    contract = _load(tmp_path, HEAD.replace("dtype: float}", "dtype: float, known: after_contact}"))
    with pytest.raises(ContractError, match="Every feature"):
        _ = contract.usable


def test_a_missing_contract_is_named() -> None:
    with pytest.raises(ContractError, match=r"no file .*absent\.yaml"):
        load_contract(Path("absent.yaml"))


def test_the_hash_changes_with_anything_said(tmp_path: Path) -> None:
    before = _load(tmp_path, HEAD).hash
    assert _load(tmp_path, HEAD).hash == before
    assert _load(tmp_path, HEAD.replace("age, dtype: float", "age, dtype: float, range: [16, 110]")).hash != before
