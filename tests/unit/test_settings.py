"""Where settings come from, which of them wins, and what is said about a wrong one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.pretty import pretty_repr

from aioqueue.errors import ConfigurationError
from aioqueue.settings import KEYS, Settings, default_url, load, project_root


def settings(root: Path, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    return load(overrides, environ=environ or {}, cwd=root)


def refusal(root: Path, environ: Mapping[str, str] | None = None, **overrides: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        settings(root, environ, **overrides)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


# Sources and their order


def test_without_anything_the_defaults_stand_and_the_url_is_a_file_at_the_root(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found == Settings(url=f"sqlite:///{tmp_path.resolve()}/aioqueue.db")
    assert found.url.startswith("sqlite:////")
    assert (found.results, found.queue) == ("same", "default")
    assert (found.retries, found.timeout, found.priority, found.lease) == (3, 300.0, 4, 15.0)
    assert (found.keep_results, found.keep_failures, found.keep_dead) == (86400.0, 14 * 86400.0, 30 * 86400.0)
    assert found.processes >= 1


def test_every_field_of_the_settings_is_a_key() -> None:
    assert set(KEYS) == set(Settings.__struct_fields__)


def test_every_default_would_be_accepted_as_an_argument(tmp_path: Path) -> None:
    found = settings(tmp_path)
    given = {key: getattr(found, key) for key in Settings.__struct_fields__}
    assert settings(tmp_path, **given) == found


def test_arguments_win_over_the_environment_and_the_environment_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "aioqueue.toml").write_text('retries = 1\nqueue = "file"\nthreads = 5\n')
    environ = {"AIOQUEUE_RETRIES": "2", "AIOQUEUE_QUEUE": "env"}
    found = settings(tmp_path, environ, retries=7)
    assert (found.retries, found.queue, found.threads) == (7, "env", 5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\nname = "x"\n[tool.aioqueue]\ntimeout = "10m"\nlease = 30\nresults = "none"\n'),
        ("aioqueue.toml", 'timeout = "10m"\nlease = 30\nresults = "none"\n'),
        ("aioqueue.yaml", "timeout: 10m\nlease: 30\nresults: null\n"),
    ],
)
def test_each_kind_of_file_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = settings(tmp_path)
    assert (found.timeout, found.lease, found.results) == (600.0, 30.0, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [("pyproject.toml", ""), ("pyproject.toml", "tool = 3"), ("aioqueue.toml", ""), ("aioqueue.yaml", "# nothing\n")],
)
def test_a_file_without_settings_leaves_the_defaults(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert settings(tmp_path) == Settings(url=default_url(tmp_path))


def test_the_environment_of_the_process_is_the_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOQUEUE_LEASE", "20")
    monkeypatch.chdir(tmp_path)
    assert load({}) == Settings(url=default_url(tmp_path), lease=20.0)


def test_two_files_with_settings_in_one_root_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.aioqueue]\nretries = 1\n")
    (tmp_path / "aioqueue.toml").write_text("retries = 2\n")
    message = refusal(tmp_path)
    assert "pyproject.toml and aioqueue.toml" in message
    assert str(tmp_path) in message


def test_a_file_without_settings_may_stand_beside_one_with_them(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "aioqueue.toml").write_text("retries = 2\n")
    assert settings(tmp_path).retries == 2


# The project's root


@pytest.mark.parametrize("name", ["pyproject.toml", "aioqueue.toml", "aioqueue.yaml"])
def test_the_root_is_the_nearest_parent_with_a_file_of_settings(tmp_path: Path, name: str) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / name).touch()
    assert project_root(deep) == tmp_path.resolve()
    (deep.parent / name).touch()
    assert project_root(deep) == deep.parent.resolve()
    assert settings(deep).url == default_url(deep.parent)


def test_without_such_a_file_the_root_is_the_working_directory(tmp_path: Path) -> None:
    assert project_root(tmp_path) == tmp_path.resolve()


def test_a_root_with_characters_special_to_urls_still_gives_a_url_of_one_path() -> None:
    assert default_url(Path("/data/50% done?#1 a")) == "sqlite:////data/50%25 done%3F%231 a/aioqueue.db"


# Values


def test_a_duration_as_an_argument_is_seconds_or_a_timedelta(tmp_path: Path) -> None:
    found = settings(tmp_path, timeout=None, lease=timedelta(minutes=1), grace=0, patience=0.5)
    assert (found.timeout, found.lease, found.grace, found.patience) == (None, 60.0, 0.0, 0.5)


def test_the_environment_is_text_and_becomes_what_each_key_holds(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        {
            "AIOQUEUE_TIMEOUT": "none",
            "AIOQUEUE_LEASE": "1m",
            "AIOQUEUE_KEEP_DEAD": "1d",
            "AIOQUEUE_PRIORITY": "9",
            "AIOQUEUE_RESULTS": "None",
            "AIOQUEUE_URL": "memory://",
            "AIOQUEUE_PROCESSES": "none",
        },
    )
    assert (found.timeout, found.lease, found.keep_dead, found.priority) == (None, 60.0, 86400.0, 9)
    assert (found.results, found.url) == (None, "memory://")
    assert found.processes == Settings(url="x").processes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "aioqueue.db"), ("url", ""), ("url", None), ("url", 3),
        ("results", "yes"), ("results", ""), ("results", 0),
        ("queue", ""), ("queue", "a b"), ("queue", "{a}"), ("queue", "a\n"),
        ("retries", -1), ("retries", 1.0), ("retries", True), ("retries", "3"), ("retries", None),
        ("priority", 10), ("priority", -1), ("concurrency", 0), ("threads", 0), ("processes", 0),
        ("lease", 0.5), ("lease", None), ("lease", "30s"), ("lease", True), ("lease", float("nan")),
        ("timeout", 0), ("timeout", -1), ("grace", float("inf")), ("keep_results", timedelta(-1)),
        ("max_crashes", 0), ("max_message", 0),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused_with_its_key_value_and_what_is_expected(
    tmp_path: Path, key: str, value: Any
) -> None:
    message = refusal(tmp_path, **{key: value})
    assert message.startswith(f"{key} from the arguments is {' '.join(repr(value).split())}: expected ")


@pytest.mark.parametrize(
    ("key", "text"),
    [("retries", "many"), ("retries", "1.5"), ("retries", ""), ("lease", "soon"), ("lease", "none"), ("lease", "0"),
     ("url", ""), ("priority", "12"), ("timeout", "-1")],
)  # fmt: skip
def test_a_wrong_variable_is_refused_by_its_name(tmp_path: Path, key: str, text: str) -> None:
    message = refusal(tmp_path, {f"AIOQUEUE_{key.upper()}": text})
    assert message.startswith(f"{key} from AIOQUEUE_{key.upper()} in the environment is {text!r}: expected ")


def test_a_wrong_value_in_a_file_is_refused_with_the_path_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.aioqueue]\nretries = "3"\n')
    message = refusal(tmp_path)
    assert message == (
        f"retries from {tmp_path / 'pyproject.toml'} [tool.aioqueue] is '3': expected a whole number from 0 up"
    )


def test_a_value_too_long_to_read_is_shortened_in_the_error(tmp_path: Path) -> None:
    assert len(refusal(tmp_path, queue="x " * 1000)) < 300


# Unknown keys


def test_an_unknown_argument_is_refused_with_the_nearest_key(tmp_path: Path) -> None:
    assert refusal(tmp_path, leese=3) == "unknown key leese in the arguments: did you mean lease?"


def test_an_unknown_variable_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"AIOQUEUE_RETRYS": "3"})
    assert message == "unknown key AIOQUEUE_RETRYS in the environment: did you mean AIOQUEUE_RETRIES?"


@pytest.mark.parametrize("name", ["aioqueue.toml", "aioqueue.yaml", "pyproject.toml"])
def test_an_unknown_key_in_a_file_is_refused_with_the_path_of_the_file(tmp_path: Path, name: str) -> None:
    text = {"aioqueue.toml": "max-crashes = 3", "aioqueue.yaml": "max-crashes: 3"}
    (tmp_path / name).write_text(text.get(name, "[tool.aioqueue]\nmax-crashes = 3"))
    message = refusal(tmp_path)
    assert "unknown key max-crashes" in message
    assert str(tmp_path / name) in message
    assert "did you mean max_crashes?" in message


def test_an_unknown_key_like_no_other_is_refused_with_all_the_keys(tmp_path: Path) -> None:
    assert "the keys are url, results, " in refusal(tmp_path, qqqqqq=1)


def test_variables_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    environ = {
        "PATH": "/bin",
        "AIOQUEUE_APP": "web:queue",
        "_AIOQUEUE_COMPLETE": "bash",
        # Kubernetes sets these for services called aioqueue and aioqueue-web
        "AIOQUEUE_SERVICE_HOST": "10.0.0.1",
        "AIOQUEUE_SERVICE_PORT_HTTP": "80",
        "AIOQUEUE_PORT": "tcp://10.0.0.1:80",
        "AIOQUEUE_WEB_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert settings(tmp_path, environ) == settings(tmp_path)


# Files that cannot be read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("aioqueue.toml", b"retries = = 3"),
        ("pyproject.toml", b"[tool.aioqueue"),
        ("aioqueue.yaml", b"retries: [3\nlease: 2"),
        ("aioqueue.toml", b"\xff\xfe"),
        ("aioqueue.yaml", b"- retries"),
        ("pyproject.toml", b"[tool]\naioqueue = 3"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert str(tmp_path / name) in refusal(tmp_path)


def test_yaml_without_its_extra_says_which_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "aioqueue.yaml").write_text("retries: 3\n")
    assert "extra `yaml`" in refusal(tmp_path)


# Secrets


def test_neither_repr_nor_rich_nor_an_error_shows_a_password(tmp_path: Path) -> None:
    found = settings(tmp_path, url="redis://:hunter2@host", results="redis://:hunter2@other")
    assert "hunter2" not in repr(found) + str(found) + pretty_repr(found)
    assert "url='redis://:***@host'" in repr(found)
    assert "hunter2" not in refusal(tmp_path, {"AIOQUEUE_QUEUE": "redis://:hunter2@ho st"})


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        settings(tmp_path).retries = 5  # type: ignore[misc]


def test_importing_the_settings_loads_no_parser() -> None:
    code = "import sys, aioqueue.settings; assert not {'tomllib', 'yaml', 'difflib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
