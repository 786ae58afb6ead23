# SPDX-License-Identifier: LGPL-2.1-or-later
"""The errors of object stores, which `pyarrow.fs` raises as text: what went wrong, and what to do next."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa

from spo_trace.errors import SpoTraceError

__all__ = ["StoreFailed", "naming_store"]


class StoreFailed(SpoTraceError):
    """An object store did not do what it was asked: nothing is known about the files in it."""


class _Kind(NamedTuple):
    pattern: "re.Pattern[str]"
    problem: str
    hint: str


# In this order: the text of a denied request may contain the word that the next one looks for.
_KINDS = (
    _Kind(
        re.compile("NO_SUCH_BUCKET|NoSuchBucket|Bucket '.*' not found|specified (?:bucket|container) does not exist"),
        "there is no such bucket",
        "create it, or check its name and the endpoint",
    ),
    _Kind(
        re.compile(
            "ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_CLIENT_TOKEN|MISSING_AUTHENTICATION"
            "|EXPIRED_TOKEN|ExpiredToken|InvalidToken|UNRECOGNIZED_CLIENT|HTTP status 40[13]|40[13] Forbidden"
            "|PERMISSION_DENIED|Permission denied|UNAUTHENTICATED|Authentication|AuthorizationFailure"
        ),
        "access is denied",
        "check the credentials and what they permit: docs/fleet.md, Object stores",
    ),
    _Kind(
        re.compile("PermanentRedirect|HTTP status 301|AuthorizationHeaderMalformed"),
        "the bucket is in another region",
        "add its region to the URL: s3://bucket/fleet?region=eu-central-1",
    ),
    _Kind(
        re.compile("NETWORK_CONNECTION|curlCode|[Tt]imed? ?out|DEADLINE_EXCEEDED|Could not resolve|Couldn't connect"),
        "it can't be reached",
        "check the network and the endpoint: docs/fleet.md, Object stores",
    ),
    _Kind(
        re.compile("SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|THROTTLING|HTTP status (?:5[0-9][0-9]|429)"),
        "the store is overloaded or fails",
        "try again",
    ),
)

_OTHER_HINT = "try again, or ask the object store's administrator"

# What a client says about a connection that failed.
_DETAILS = re.compile(r"Details: (.{1,200}?)(?: \(Request ID.*)?$")


@contextmanager
def naming_store(shown: str, doing: str, secrets: Collection[str]) -> Iterator[None]:
    """Turn errors of a store into StoreFailed, which names `shown` and what was tried, such as `read`.

    FileNotFoundError is passed on: the store answered. `secrets`: texts that no message shows.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, NotImplementedError) as error:
        problem, hint = _explained(_without(str(error).partition("\n")[0], secrets))
        # The error of pyarrow may show the URL as it was given.
        raise StoreFailed(f"{shown} can't be {doing}: {problem}", hint=hint) from None


def _explained(text: str) -> tuple[str, str]:
    for kind in _KINDS:
        if kind.pattern.search(text):
            details = _DETAILS.search(text)
            return kind.problem + (f" ({details[1]})" if details else ""), kind.hint
    return text[:300], _OTHER_HINT


def _without(text: str, secrets: Collection[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    return text
