"""docs/features.md: the catalogue of a contract, written from the contract."""

from collections.abc import Iterator

from shared.asof.contract import Contract, Feature

HEAD = """# Features of the {name} contract

Written by `./leadscore contract show --markdown`; a test compares. {usable} features a model may see, {helpers} helpers they are
computed with, {refused} refused. Trained on by default: {groups}. Missing stays missing: no formula writes a value for it.
"""


def features_markdown(contract: Contract) -> str:
    """Groups, sources, statistics, features by group with formula and note, and what is refused and why."""
    return "\n".join(_lines(contract)) + "\n"


def _lines(contract: Contract) -> Iterator[str]:
    refused = contract.refused
    shown = [f for f in contract.features if f.name not in refused and not f.helper]
    helpers = [f for f in contract.features if f.helper and f.name not in refused]
    groups = ", ".join(contract.default_groups) or "all groups"
    yield HEAD.format(name=contract.name, usable=len(shown), helpers=len(helpers), refused=len(refused), groups=groups)
    yield from _sources(contract)
    for group in contract.groups:
        mine = [feature for feature in shown if group in feature.all_groups]
        yield f"\n## {group}: {len(mine)}\n"
        yield from _table(mine)
    if helpers:
        yield f"\n## Helpers: {len(helpers)}, never shown to a model\n"
        yield from _table(helpers)
    yield f"\n## Refused: {len(refused)}\n\n| feature | why |\n|---|---|"
    yield from (f"| {name} | {_cell(why)} |" for name, why in refused.items())


def _sources(contract: Contract) -> Iterator[str]:
    yield "## Sources\n\n| source | kind | table | joined on | known at | too old after |\n|---|---|---|---|---|---|"
    for name, source in contract.sources.items():
        lag = f" + {source.lag_days} days" if source.lag_days else ""
        waived = f", waived by {source.waiver.by} until {source.waiver.expires}" if source.waiver else ""
        age = f"{source.max_age_days} days" if source.max_age_days else ""
        known = f"{source.known_at or source.event_time}{lag}{waived}"
        yield f"| {name} | {source.kind} | {source.table or contract.lead.table} | {source.on} | {known} | {age} |"
    if contract.statistics:
        yield "\n## Statistics of the training rows\n\n| statistic | is |\n|---|---|"
    for name, statistic in contract.statistics.items():
        detail = f" {statistic.q:g}" if statistic.q else f" {statistic.n}" if statistic.n else ""
        yield f"| @{name} | {statistic.take}{detail} of {statistic.of} |"


def _table(features: list[Feature]) -> Iterator[str]:
    yield "| feature | type | kind | source | definition | note |\n|---|---|---|---|---|---|"
    for feature in features:
        kind = f"{feature.dtype}{f', {feature.unit}' if feature.unit else ''}"
        span = f" in {feature.range[0]:g} to {feature.range[1]:g}" if feature.range else ""
        formula = f"`{_cell(feature.column or feature.sql or '')}`{span}"
        yield f"| {feature.name} | {kind} | {feature.kind} | {feature.source} | {formula} | {_cell(feature.note)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
