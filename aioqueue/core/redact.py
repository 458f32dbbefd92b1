"""URLs fit for a log: the same text without its secrets. Takes any text, and never fails on a malformed one."""

from __future__ import annotations

import re

MASK = "***"

# A query begins where a name and "=" follow the question mark; any other one is part of a careless password.
_QUERY = re.compile(r"[?][\w.\-%\[\]]+=")
_SECRET_VALUE = re.compile(
    r"""([?&;#] [^=&;#]* (?: pass | pwd | secret | token | credential | signature
                           | (?<![a-z]) (?: auth | sig ) (?==) | key (?==) ) [^=&;#]* =) [^&]*""",
    re.IGNORECASE | re.VERBOSE,
)


def redact(url: str) -> str:
    """The URL with its password, and each query value whose name smells of a secret, replaced by `***`.

    In doubt it hides more: a password may itself hold an unescaped `@`, `/` or `:`.
    """
    query = _QUERY.search(url)
    cut = query.start() if query else len(url)
    return _hide_password(url[:cut]) + _SECRET_VALUE.sub(rf"\g<1>{MASK}", url[cut:])


def _hide_password(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    # The last "@" ends the credentials: everything after the first colon before it may be the password.
    credentials, at, host = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{separator}{user}:{MASK}@{host}" if at and colon else address
