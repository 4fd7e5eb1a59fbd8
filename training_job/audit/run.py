"""The leak auditor: every rule over the same evidence, before a model is trained."""

from collections.abc import Callable, Iterator
from datetime import date, datetime

from shared.asof.contract import Contract, refuse_expired
from shared.errors import LeakFound
from shared.log import log
from shared.ports import BulkWarehouse
from training_job.audit import rules_outcome, rules_rows, rules_time
from training_job.audit.evidence import Evidence, gather
from training_job.audit.findings import Finding, Report, in_order, waive

Rule = Callable[[Evidence], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    rules_outcome.refused,
    rules_outcome.lineage,
    rules_outcome.presence,
    rules_outcome.strength,
    rules_outcome.shuffled,
    rules_time.machine_clock,
    rules_time.hindsight,
    rules_time.todays_value,
    rules_time.sudden_power,
    rules_time.later_content,
    rules_time.early_claims,
    rules_rows.clock,
    rules_rows.counts_itself,
    rules_rows.twins,
    rules_rows.identifiers,
    rules_rows.repeated_keys,
    rules_rows.served_otherwise,
)


def audit(warehouse: BulkWarehouse, contract: Contract, known_by: datetime, today: date, say: Callable[[str], None]) -> Report:
    """Look for leaks in everything `contract` offers a model, as of `known_by`.

    Raises ContractError for a waiver that has run out, DataError when there is too little to audit.
    """
    refuse_expired(contract, today)
    evidence = gather(warehouse, contract, known_by, say)
    findings: list[Finding] = []
    for rule in RULES:
        say(rule.__name__.replace("_", " "))
        findings += rule(evidence)
    report = Report(
        contract=contract.name,
        contract_hash=contract.hash,
        known_by=known_by,
        rows=evidence.rows,
        positives=int(evidence.outcome.sum()),
        features=len(contract.usable),
        findings=in_order(waive(findings, contract, today)),
        not_checked=_not_checked(evidence),
    )
    log.info("leak_audit_finished", contract=contract.name, leaks=len(report.leaks), findings=len(report.findings))
    return report


def refuse_leaks(report: Report) -> None:
    """LeakFound naming every leak nobody answers for."""
    if report.leaks:
        named = "; ".join(f"{leak.feature} ({leak.rule.replace('_', ' ')}): {leak.sentence}" for leak in report.leaks)
        raise LeakFound(
            f"{len(report.leaks)} leaks in contract {report.contract}, so nothing is trained: {named}",
            fix="Mend the source, declare the feature known: after_contact, or waive the finding in the contract (docs/audit.md).",
        )


def _not_checked(evidence: Evidence) -> dict[str, str]:
    skipped = {}
    if not any(source.event_time for source in evidence.contract.sources.values()):
        skipped["early_claims"] = "no source has an event time beside its known_at"
    if evidence.contract.lead.crd is None:
        skipped["twins"] = "the contract names no column that tells persons apart (lead.crd)"
    return skipped
