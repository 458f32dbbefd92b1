"""Secrets stay out of what is logged."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioqueue.core.redact import redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hunter2@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:hunter2@host", "redis://:***@host"),
        ("redis+sentinel://u:hunter2@one:1,two:2/main", "redis+sentinel://u:***@one:1,two:2/main"),
        ("redis://:hunter2@one,redis://:hunter2@two", "redis://:***@two"),
        ("user:hunter2@host", "user:***@host"),
        ("redis:/user:hunter2@host", "redis:***@host"),
        ("redis://:hunter?2@host/0?x=1", "redis://:***@host/0?x=1"),
    ],
)
def test_the_password_is_hidden(url: str, shown: str) -> None:
    assert redact(url) == shown
    assert "hunter" not in redact(url)


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWORD", "passwd", "pwd", "token", "session_token", "aws_secret_access_key", "api_key", "apikey",
     "key", "credential", "auth", "sig", "X-Amz-Signature", "ssl_keyfile_password"],
)  # fmt: skip
def test_a_query_value_that_smells_of_a_secret_is_hidden(name: str) -> None:
    assert redact(f"sqs://host/q?a=1&{name}=hunter2&b=2") == f"sqs://host/q?a=1&{name}=***&b=2"
    assert redact(f"sqs://host/q?{name}=hunter2#3") == f"sqs://host/q?{name}=***"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "memory://",
        "sqlite:////home/me@work/aioqueue.db",
        "redis://host:6379/0",
        "redis://user@host:6379/0",
        "amqp://host:5672/?contact=ops@example.com",
        "redis://[::1]:6379/0?timeout=3&ssl_keyfile=/etc/tls/me.pem&keyspace=a",
        "mongodb://host/?authSource=admin",
    ],
)
def test_a_url_without_secrets_stays_as_it_is(url: str) -> None:
    assert redact(url) == url


@given(st.text(alphabet=string.ascii_letters + string.digits + ":@/!$'()*+,;-._~%", min_size=1))
def test_no_part_of_a_password_shows_however_carelessly_it_was_written(password: str) -> None:
    assert redact(f"redis://user:{password}@host:6379/0?db=1") == "redis://user:***@host:6379/0?db=1"


@given(st.text())
def test_any_text_can_be_redacted_and_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)
