"""What `models` says of versions, verdicts, moves and agreement."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from shared.metrics.agreement import Agreement
from shared.metrics.intervals import Estimate
from shared.model.artifact import Artifact, Figure
from shared.model.pointer import Step
from shared.model.ruling import Measured, Ruling

COLOURS = {"passed": "green", "failed": "bold red", "undecided": "yellow", "absent": "dim"}


def listed(versions: Sequence[tuple[Artifact, Ruling | None]], roles: Mapping[str, str]) -> Table:
    table = Table("version", "family", "trained to", "rows", "positives", "AUC-PR, rolling", "verdict", "")
    for artifact, ruling in versions:
        manifest, training = artifact.manifest, artifact.manifest.training
        table.add_row(
            artifact.version,
            manifest.family,
            f"{training.known_by:%Y-%m-%d}",
            f"{training.rows:,}",
            f"{training.positives:,}",
            _figure(manifest.metrics.get("auc_pr")),
            ruling.verdict if ruling else "none",
            roles.get(artifact.version, ""),
        )
    return table


def shown(artifact: Artifact, ruling: Ruling | None) -> Iterator[RenderableType]:
    yield f"[bold]{artifact.version}[/]"
    facts = Table("", "", show_header=False)
    for name, value in _facts(artifact).items():
        facts.add_row(name, escape(value))
    yield facts
    figures = Table("figure", "value [95 %]", "n", "positives")
    for name, figure in artifact.manifest.metrics.items():
        figures.add_row(name, _figure(figure), f"{figure.n:,}", f"{figure.positives:,}")
    yield figures
    if ruling is None:
        yield "The gate has not judged it."
        return
    yield f"[bold]{escape(ruling.words)}[/]"
    yield f"judged against {ruling.champion or 'no champion'}; evidence sha256 {ruling.evidence_sha256}"
    yield _checks(ruling)


def _checks(ruling: Ruling) -> Table:
    table = Table("check", "must be", "value [95 %]", "outcome", "says", "source")
    for check in ruling.checks:
        outcome = f"[{COLOURS[check.outcome]}]{check.outcome}[/]"
        says = "" if check.consequence == "none" else check.consequence
        table.add_row(check.name, check.threshold, _figure(check.value), outcome, says, escape(check.source))
    return table


def _facts(artifact: Artifact) -> dict[str, str]:
    manifest, training = artifact.manifest, artifact.manifest.training
    return {
        "family": f"{manifest.family} ({manifest.kind})",
        "contract": f"{artifact.contract.name} {manifest.contract_hash}",
        "trained on": f"{training.rows:,} leads, {training.positives:,} positive, {training.first_contact:%Y-%m-%d} to "
        f"{training.last_contact:%Y-%m-%d}, labels known by {training.known_by:%Y-%m-%d}",
        "base rate": f"{manifest.base_rate:.2%}",
        "calibration": manifest.calibration_method,
        "bands": ", ".join(f"{band.name} to {band.top:.0%}" for band in manifest.bands),
        "features": f"{len(manifest.features)}",
        "code": manifest.code_version,
    }


def difference(first: Artifact, second: Artifact) -> Table:
    """Only what differs; figures with their intervals, so that noise is not read as progress."""
    table = Table("", first.version, second.version)
    one, two = _facts(first), _facts(second)
    for name in one:
        if one[name] != two[name]:
            table.add_row(name, escape(one[name]), escape(two[name]))
    features = [{feature.name for feature in artifact.manifest.features} for artifact in (first, second)]
    table.add_row("only here", ", ".join(sorted(features[0] - features[1])) or "-", ", ".join(sorted(features[1] - features[0])) or "-")
    for name in sorted(first.manifest.metrics.keys() | second.manifest.metrics.keys()):
        table.add_row(name, _figure(first.manifest.metrics.get(name)), _figure(second.manifest.metrics.get(name)))
    table.caption = "Figures of different rows are not comparable; the verdict compares on the same."
    return table


def moves(steps: Sequence[Step]) -> RenderableType:
    if not steps:
        return "No pointer has moved yet."
    table = Table("when", "role", "move", "version", "after", "by", "why", "on what evidence")
    for step in steps:
        to = step.pointer
        table.add_row(
            to.moved_at, step.role, to.move, to.version, to.previous or "-", escape(to.moved_by), escape(to.reason), escape(to.basis or "-")
        )
    return table


def agreed(champion: str, challenger: str, top: str, found: Agreement) -> Iterator[RenderableType]:
    yield f"{found.leads:,} leads scored at the same instant by champion {champion} and challenger {challenger}"
    table = Table("measure", "value [95 %]")
    table.add_row("rank correlation (Spearman)", _figure(found.rank_correlation))
    table.add_row("same band", _percent(found.same_band))
    table.add_row(f"champion's {top} that stay {top}", f"{_percent(found.kept)} ({found.kept.positives} of {found.kept.n})")
    table.add_row(f"churn of {top}", f"{found.churn:.1%}")
    table.add_row(f"challenger's {top} that are new", f"{_percent(found.joined)} ({found.joined.positives} of {found.joined.n})")
    yield table
    bands = Table("from band", "to band", "leads")
    for (before, after), count in sorted(found.moves.items(), key=lambda move: -move[1]):
        if before != after:
            bands.add_row(before, after, f"{count:,}")
    yield bands


def _figure(figure: Figure | Measured | Estimate | None) -> str:
    if figure is None or figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.3g} [{figure.low:.3g}, {figure.high:.3g}]"


def _percent(figure: Estimate) -> str:
    return f"{figure.value:.1%} [{figure.low:.1%}, {figure.high:.1%}]"
