"""`make infra`: every check of the infrastructure that needs no cloud, counted."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.infra import breakages, contracts, workshop
from tests.infra.plan import Plan
from tests.infra.workshop import ENVIRONMENTS, INFRA, Workshop

WORKERS = 4


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table."""

    name: str
    found: str
    ok: bool


def checks(made: Workshop) -> Iterator[Check]:
    with workshop.workshop(adopting=True) as whole:
        yield _said("terraform fmt, validate", whole.terraform("fmt", "-check", "-recursive").code or whole.terraform("validate").code)
    tested = made.terraform("test", "-no-color")
    counted = re.search(r"(\d+) passed, (\d+) failed", tested.text)
    yield Check("terraform test", counted[0] if counted else tested.text[-200:], tested.code == 0)
    for environment in ENVIRONMENTS:
        yield from _environment(made, environment)
    yield _replanned()
    answered = breakages.answers(made, WORKERS)
    for by in ("terraform", "policy", "contract"):
        of_kind = {breakage: answer for breakage, answer in answered.items() if breakage.by == by}
        refused = sum(answer.refuses(breakage) for breakage, answer in of_kind.items())
        yield Check(f"breakages refused by {by}", f"{refused}/{len(of_kind)}", refused == len(of_kind))


def _environment(made: Workshop, environment: str) -> Iterator[Check]:
    made.plan(environment).require()
    plan = Plan(made.shown(environment))
    yield Check(f"{environment}: resources planned", str(plan.count()), plan.count() > 0)
    findings = list(workshop.policy().check(plan.raw))
    yield Check(f"{environment}: policy findings", "; ".join(findings) or "0", not findings)
    apart = list(contracts.check(plan))
    yield Check(f"{environment}: differences from the code", "; ".join(apart) or "0", not apart)


def _replanned() -> Check:
    with workshop.workshop() as fresh:
        fresh.plan("staging").require()
        fresh.terraform("apply", "-input=false", "staging.plan").require()
        again = fresh.plan("staging", "-detailed-exitcode")
    return Check("applied, then planned again", "no change" if again.code == 0 else again.text[-200:], again.code == 0)


def _said(name: str, code: int) -> Check:
    return Check(name, "failed" if code else "clean", not code)


def main() -> int:
    console = Console()
    if workshop.missing():
        console.print(f"make infra: skipped, {workshop.missing()}.")
        return 0
    table = Table("check", "found", "")
    with workshop.workshop() as made:
        expected = 6 + 3 * len(ENVIRONMENTS)
        results = list(track(checks(made), "checking", total=expected, console=Console(stderr=True), transient=True))
    for check in results:
        table.add_row(check.name, check.found, "ok" if check.ok else "BAD")
    console.print(table)
    files = len(list(INFRA.glob("*.tf")))
    good = all(check.ok for check in results)
    console.print(f"make infra: {'everything holds' if good else 'NOT everything holds'}; {files} Terraform files, no cloud asked.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
