"""The command line in real processes: signals, children that die, exit codes, and what it says."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aioqueue import ExitCode

from .cli_shop import PATIENCE, Shop, gone, until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    for process in shop.processes:
        process.kill()
        process.communicate(timeout=PATIENCE)


def test_a_first_signal_under_load_finishes_what_runs_and_leaves_the_rest(shop: Shop) -> None:
    names = [f"job-{n}" for n in range(400)]
    shop.enqueue(*(shop.queue.signature("quick", name) for name in names))
    worker = shop.start("run", "shop:queue", "--concurrency", "5")
    until(lambda: len(shop.ledger("end")) >= 20, lambda: "some jobs")
    worker.send()
    assert worker.ended() == ExitCode.DRAINED, worker.said()
    assert len(shop.ledger("start")) == len(shop.ledger("end")) < len(names)
    shop.burst()
    assert sorted(shop.ledger("end")) == sorted(f"end {name}" for name in names)


def test_a_second_signal_interrupts_and_another_worker_runs_the_jobs_unspent(shop: Shop) -> None:
    shop.enqueue(shop.queue.signature("hold", "a"), shop.queue.signature("hold", "b"))
    worker = shop.start("run", "shop:queue")
    until(lambda: len(shop.ledger("start")) == 2, lambda: "both jobs")
    worker.send(signal.SIGINT)
    worker.says("draining")
    worker.send()
    assert worker.ended() == ExitCode.INTERRUPTED, worker.said()
    (shop.folder / "go").touch()
    shop.burst()
    assert sorted(shop.ledger("start")) == ["start a at attempt 1"] * 2 + ["start b at attempt 1"] * 2
    assert sorted(shop.ledger("end")) == ["end a", "end b"]


def test_a_task_that_swallows_its_cancellation_does_not_keep_the_process_from_ending(shop: Shop) -> None:
    shop.enqueue(shop.queue.signature("stubborn"))
    worker = shop.start("run", "shop:queue")
    until(lambda: shop.ledger("start"), lambda: "the job")
    worker.send()
    worker.says("draining")
    worker.send()
    worker.says("abandoned")
    assert worker.ended() == ExitCode.INTERRUPTED


def test_a_third_signal_ends_the_process_at_once_even_with_its_loop_blocked(shop: Shop) -> None:
    shop.enqueue(shop.queue.signature("block"))
    worker = shop.start("run", "shop:queue")
    until(lambda: shop.ledger("start"), lambda: "the job")
    for _ in range(3):
        worker.send()
        time.sleep(0.3)  # with its loop blocked it can answer nothing; two signals at once would count as one
    assert worker.process.wait(5) == ExitCode.FORCED


def test_a_signal_that_comes_while_the_module_is_imported_ends_it_cleanly(shop: Shop) -> None:
    path = shop.folder / "late.py"
    path.write_text("import time\nopen('importing', 'w').close()\ntime.sleep(0.5)\nfrom shop import queue\n")
    worker = shop.start("run", "late:queue")
    until((shop.folder / "importing").exists, lambda: "the import")
    worker.send()
    assert worker.ended() == ExitCode.DRAINED, worker.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_right_after_the_start_is_clean_each_time(shop: Shop, number: signal.Signals) -> None:
    for _ in range(3):
        worker = shop.start("run", "shop:queue")
        worker.says("ready")
        worker.send(number)
        assert worker.ended() == ExitCode.DRAINED, worker.said()
        assert "Traceback" not in worker.said()


def test_an_idle_worker_stops_cleanly(shop: Shop) -> None:
    shop.enqueue(shop.queue.signature("quick", "a"))
    worker = shop.start("run", "shop:queue")
    until(lambda: shop.ledger("end"), lambda: "the job")
    worker.send()
    assert worker.ended() == ExitCode.DRAINED
    assert "Traceback" not in worker.said()


def test_a_child_that_is_killed_is_started_again(shop: Shop) -> None:
    parent = shop.start("run", "shop:queue", "--processes", "2", "--name", "web")
    parent.says("ready: web-", 2)
    (pid,) = parent.says(r"worker 2 is process (\d+)")
    os.kill(int(pid), signal.SIGKILL)
    parent.says("killed by SIGKILL")
    parent.says("ready: web-2", 2)
    parent.send()
    assert parent.ended() == ExitCode.DRAINED, parent.said()
    assert len(parent.says("draining")) == 2


def test_each_signal_reaches_each_child_once(shop: Shop) -> None:
    shop.enqueue(*(shop.queue.signature("hold", name) for name in "ab"))
    parent = shop.start("run", "shop:queue", "--processes", "2", "--concurrency", "1")
    until(lambda: len(shop.ledger("start")) == 2, lambda: "both jobs")
    parent.send(signal.SIGINT)
    parent.says("draining", 2)
    parent.send(signal.SIGINT)
    assert parent.ended() == ExitCode.INTERRUPTED, parent.said()
    assert len(parent.says("interrupting")) == 2


def test_a_signal_that_reaches_parent_and_child_both_counts_once(shop: Shop) -> None:
    shop.enqueue(shop.queue.signature("hold", "a"))
    parent = shop.start("run", "shop:queue", "--processes", "2")
    parent.says("ready", 2)
    until(lambda: shop.ledger("start"), lambda: "the job")
    for pid in parent.says(r"is process (\d+)", 2):
        os.kill(int(pid), signal.SIGTERM)  # as a service manager does, to all there are
    parent.send()
    parent.says("draining", 2)
    (shop.folder / "go").touch()
    assert parent.ended() == ExitCode.DRAINED, parent.said()
    assert shop.ledger("end") == ["end a"]


def test_children_end_when_their_parent_is_killed(shop: Shop) -> None:
    parent = shop.start("run", "shop:queue", "--processes", "2")
    parent.says("ready", 2)
    pids = [int(pid) for pid in parent.says(r"is process (\d+)", 2)]
    parent.send(signal.SIGKILL)
    until(lambda: all(map(gone, pids)), lambda: f"the end of {pids}")


def test_children_that_cannot_start_end_the_whole_and_say_why_once(shop: Shop) -> None:
    parent = shop.start("run", "shop:queu", "--processes", "3")
    assert parent.ended() == ExitCode.USAGE
    assert parent.said().count("did you mean shop:queue?") == 1


def test_several_processes_end_together_when_nothing_is_left_in_a_burst(shop: Shop) -> None:
    names = [f"job-{n}" for n in range(50)]
    shop.enqueue(*(shop.queue.signature("quick", name) for name in names))
    assert shop.start("run", "shop:queue", "--burst", "--processes", "2").ended() == ExitCode.DRAINED
    assert sorted(shop.ledger("end")) == sorted(f"end {name}" for name in names)


def test_a_line_that_a_task_logs_carries_its_job(shop: Shop) -> None:
    (job,) = shop.enqueue(shop.queue.signature("quick", "a"))
    worker = shop.start("run", "shop:queue", "--burst", "--log-format", "json")
    assert worker.ended() == ExitCode.DRAINED
    lines = [json.loads(line) for line in worker.said().splitlines()]
    (line,) = [line for line in lines if line["logger"] == "shop"]
    assert (line["message"], line["job"], line["task"], line["attempt"]) == ("working on a", job.id, "quick", 1)


def test_start_says_what_it_is_connected_to_which_tasks_it_knows_and_what_it_takes(shop: Shop) -> None:
    worker = shop.start("run", "shop", "--name", "web", "--burst")
    assert worker.ended() == ExitCode.DRAINED
    assert f"{shop.folder}/jobs.db" in worker.said()
    assert "knows 4 tasks: block, hold, quick, stubborn" in worker.said()
    assert "ready: web takes jobs from default" in worker.said()


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("run shp:queue", "did you mean shop:queue?"),
        ("run shop:quue", "did you mean shop:queue?"),
        ("run shop:hold", "no AioQueue but a Task"),
        ("run shop.py", "write the module's name, shop:queue"),
        ("run", "say which queue"),
        ("run shop:queue --queu mail", "did you mean --queue?"),
        ("run shop:queue --concurrency many", "concurrency"),
        ("run shop:queue --grace soon", "--grace: 'soon' is not a duration"),
        ("runn shop:queue", "runn"),
        ("enqueue shop:queue quik a", "did you mean quick?"),
        ("enqueue --url sqlit:///jobs.db quick a", "did you mean sqlite://?"),
        ("job --url sqlit:///jobs.db 7", "did you mean sqlite://?"),
    ],
)
def test_a_wrong_call_is_one_line_that_says_what_to_do(shop: Shop, words: str, advice: str) -> None:
    process = shop.start(*words.split())
    assert process.ended() == ExitCode.USAGE
    assert advice in process.said()
    assert process.said().count("\n") == 1


def test_an_error_in_the_module_shows_where_and_one_line(shop: Shop) -> None:
    (shop.folder / "broken.py").write_text("def setting():\n    return {}['HOST']\n\nsetting()\n")
    process = shop.start("run", "broken:queue")
    assert process.ended() == ExitCode.USAGE
    assert 'broken.py", line 2, in setting' in process.said()
    assert process.said().splitlines()[-1] == "aioqueue: broken cannot be imported: KeyError: 'HOST'"
    assert "importlib" not in process.said()
    assert "aioqueue/cli" not in process.said()
