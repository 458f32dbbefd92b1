"""What a type checker accepts and rejects of calls, options and results."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "typing"
FOUND = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)
MARK = re.compile(r"# error: (?P<codes>[\w -]+)$")

Errors = dict[tuple[str, int], set[str]]


@pytest.fixture(scope="module")
def found() -> Errors:
    """What mypy finds in the folder, by file and line."""
    files = sorted(str(file.relative_to(ROOT)) for file in FOLDER.glob("*_*.py"))
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", *files],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    errors: Errors = defaultdict(set)
    for error in FOUND.finditer(ran.stdout):
        errors[Path(error["file"]).name, int(error["line"])].add(error["code"])
    return errors


def test_right_calls_are_accepted(found: Errors) -> None:
    assert {place: codes for place, codes in found.items() if place[0].startswith("right_")} == {}


def test_each_wrong_call_is_rejected_for_its_reason_and_no_other_line(found: Errors) -> None:
    expected: dict[tuple[str, int], set[str]] = {}
    for file in FOLDER.glob("wrong_*.py"):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if marked := MARK.search(line):
                expected[file.name, number] = set(marked["codes"].split())
    assert expected
    wrong = {place: codes for place, codes in found.items() if place[0].startswith("wrong_")}
    assert wrong.keys() == expected.keys()
    for place, codes in wrong.items():
        assert codes <= expected[place], place
