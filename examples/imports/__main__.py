"""`python -m examples.imports`, or `make demo`."""

from __future__ import annotations

import argparse
import sys

from .demo import main

parser = argparse.ArgumentParser(
    prog="python -m examples.imports",
    description="Import 50,000 rows by two workers, one of which is killed in the middle, and count what arrived. "
    "Exits with 1 if a figure is off.",
    epilog="AIOQUEUE_URL says where the jobs are kept; by default in an SQLite file that goes when the demo ends.",
)
parser.add_argument("--kill-import", action="store_true", help="kill the worker that runs the import, not the other")
parser.add_argument("--json", action="store_true", help="print the figures as JSON; everything else goes to stderr")
parser.add_argument(
    "--plant-fault",
    choices=["dedup"],
    help="dedup: take the key off the table, so that chunks that run twice insert twice. The demo must notice",
)
arguments = parser.parse_args()
sys.exit(main(dedup=arguments.plant_fault != "dedup", kill_import=arguments.kill_import, as_json=arguments.json))
