"""`make bench`: each path beside the reference way, in one run, one thread."""

from rich.console import Console
from rich.table import Table

from tests.bench import scoring

console = Console()


def main() -> None:
    table = Table("path", "reference way", "reference", "ours", "times faster")
    for line in scoring.lines():
        table.add_row(line.path, line.reference, f"{line.reference_ms:,.2f} ms", f"{line.ours_ms:,.2f} ms", f"{line.ratio:.1f}")
        console.print(f"[dim]measured: {line.path}[/]")
    console.print(table)


if __name__ == "__main__":
    main()
