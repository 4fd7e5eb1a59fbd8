"""The engineer's command line."""

from ops.cli import main

main()
