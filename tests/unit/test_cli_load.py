"""Finding the queue that a command line names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aioqueue import AioQueue, ConfigurationError
from aioqueue.cli.load import CannotImport, load

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIOQUEUE_APP", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def put(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    yield put
    for name in set(sys.modules) - before:
        del sys.modules[name]


ONE = "from aioqueue import AioQueue\nqueue = AioQueue('memory://')\nother = 3\n"


def refusal(target: str | None) -> str:
    with pytest.raises(ConfigurationError) as error:
        load(target)
    return str(error.value)


def test_a_module_is_found_from_the_working_directory_and_its_queue_by_name(write: Write) -> None:
    write("l_shop.py", ONE)
    assert isinstance(load("l_shop:queue"), AioQueue)
    assert load("l_shop") is load("l_shop:queue")


def test_the_environment_names_the_default(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("l_default.py", ONE)
    assert "AIOQUEUE_APP" in refusal(None)
    monkeypatch.setenv("AIOQUEUE_APP", "l_default:queue")
    assert load(None) is load("l_default:queue")


def test_of_several_queues_one_must_be_named(write: Write) -> None:
    write("l_two.py", ONE + "second = AioQueue('memory://')\nsame = queue\n")
    assert refusal("l_two") == "l_two has several queues, say which: l_two:queue, l_two:second"


def test_near_names_are_suggested_for_modules_packages_and_queues(write: Write) -> None:
    write("l_pack/__init__.py", "")
    write("l_pack/jobs.py", ONE)
    assert "did you mean l_pack.jobs:queue?" in refusal("l_pac.jobs:queue")
    assert "did you mean l_pack.jobs:queue?" in refusal("l_pack.jbs:queue")
    assert "did you mean l_pack.jobs:queue?" in refusal("l_pack.jobs:quue")
    assert "is no AioQueue but a int: did you mean l_pack.jobs:queue?" in refusal("l_pack.jobs:other")
    assert "write the module's name, l_pack.jobs:queue" in refusal("l_pack/jobs.py:queue")


def test_a_module_without_a_queue_is_told_to_make_one(write: Write) -> None:
    write("l_none.py", "")
    assert "make one there" in refusal("l_none")
    assert "make one there" in refusal("l_none:queue")


def test_a_module_that_lacks_another_module_is_not_called_missing_itself(write: Write) -> None:
    write("l_needs.py", "import l_not_there\n")
    with pytest.raises(CannotImport) as error:
        load("l_needs")
    assert str(error.value) == "l_needs cannot be imported: ModuleNotFoundError: No module named 'l_not_there'"
    assert 'l_needs.py", line 1' in error.value.lines


def test_what_a_module_raises_is_shown_with_the_end_of_its_own_traceback(write: Write) -> None:
    write("l_syntax.py", "def:\n")
    with pytest.raises(CannotImport) as error:
        load("l_syntax:queue")
    assert 'l_syntax.py", line 1' in error.value.lines
    write("l_exits.py", "raise SystemExit(3)\n")
    assert "if __name__" in refusal("l_exits:queue")


def test_a_wrong_setting_in_the_module_is_one_line_that_says_where(write: Write) -> None:
    write("l_setting.py", "from aioqueue import AioQueue\n\nqueue = AioQueue('nothing')\n")
    assert refusal("l_setting").endswith("l_setting.py, line 3)")
