# SPDX-License-Identifier: LGPL-2.1-or-later
"""The URL of an object store: the file system of `pyarrow.fs` for it, and a name without secrets."""

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

import pyarrow as pa
from pyarrow import fs

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.fleet.store_errors import naming_store

__all__ = ["Place", "place_of"]

# A request is tried this often. So an object store that does not answer costs half a minute, not minutes.
_ATTEMPTS = 3
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
_RETRY_SECONDS = "30"

# What may follow the `?` of an s3:// URL: names and places, no secrets.
_S3 = ("endpoint_override", "region", "scheme", "tls_ca_file_path")

_EXAMPLE = "for example: s3://bucket/fleet?region=eu-central-1"


class Place(NamedTuple):
    """Hold a place in an object store: the file system, the path in it, and its URL for messages.

    `secrets`: texts of the given URL that no message may show.
    """

    filesystem: fs.FileSystem
    base: str
    shown: str
    secrets: tuple[str, ...]


def place_of(url: str) -> Place:
    """Return the place with this URL; raise SpoTraceError if it is wrong. Nothing is asked of the store, but a region.

    User names, passwords and everything after `?` are left out of `shown`.
    """
    try:
        parts = urlsplit(url)
        bucket, options = parts.netloc.rpartition("@")[2], dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        raise UsageError((Argument("root"), " is not a URL"), hint=_EXAMPLE) from None
    key = unquote(parts.path).strip("/")
    shown = f"{parts.scheme}://{bucket}" + (f"/{key}" if key else "")
    if not bucket or parts.fragment:
        raise UsageError((Argument("root"), f": {shown} names no bucket, or has a #"), hint=_EXAMPLE)
    if ".." in key.split("/"):
        raise UsageError((Argument("root"), f": {shown} has a .."), hint=_EXAMPLE)
    secrets = _secrets(parts, options)
    with naming_store(shown, "opened", secrets):
        if parts.scheme == "s3":
            return Place(_s3(bucket, parts, options, shown), f"{bucket}/{key}".rstrip("/"), shown, secrets)
        return _other(parts, options, shown, secrets)


def _secrets(parts: SplitResult, options: Mapping[str, str]) -> tuple[str, ...]:
    given = [*parts.netloc.rpartition("@")[0].split(":"), *(options[name] for name in options if name not in _S3)]
    spellings = {spelling for text in given for spelling in (text, unquote(text), quote(text, safe=""))}
    return tuple(spelling for spelling in spellings if spelling)


# `from_uri` would try for minutes, and takes no time limits.
def _s3(bucket: str, parts: SplitResult, options: dict[str, str], shown: str) -> fs.FileSystem:
    if not hasattr(fs, "S3FileSystem"):
        raise SpoTraceError("this pyarrow was built without S3", hint="install pyarrow from PyPI")
    if unknown := sorted(set(options) - set(_S3)):
        hint = f"after the ? may be {', '.join(_S3)}"
        raise UsageError((Argument("root"), f": {shown} has the unknown option {unknown[0][:60]!r}"), hint=hint)
    scheme, endpoint = _endpoint(options)
    user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
    return fs.S3FileSystem(
        access_key=unquote(user) if colon else None,
        secret_key=unquote(password) if colon else None,
        region=options.get("region") or (None if endpoint else _region(bucket)),
        scheme=scheme,
        endpoint_override=endpoint,
        tls_ca_file_path=options.get("tls_ca_file_path"),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_ANSWER_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        # A small file then is one request, and appears at once.
        allow_delayed_open=True,
    )


def _endpoint(options: Mapping[str, str]) -> tuple[str, str | None]:
    given = options.get("endpoint_override")
    if given is None:
        given = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not given:
        return options.get("scheme", "https"), None
    scheme, separator, host = given.rpartition("://")
    if "@" in host:
        raise UsageError("the endpoint of S3 has a user name", hint="give credentials by the environment")
    return options.get("scheme") or (scheme if separator else "https"), host.rstrip("/")


def _region(bucket: str) -> str | None:
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or str(fs.resolve_s3_region(bucket))


def _other(parts: SplitResult, options: dict[str, str], shown: str, secrets: tuple[str, ...]) -> Place:
    if parts.scheme in ("gs", "gcs"):
        options = {"retry_limit_seconds": _RETRY_SECONDS, **options}
    try:
        filesystem, base = fs.FileSystem.from_uri(parts._replace(query=urlencode(options)).geturl())
    except pa.ArrowInvalid as error:
        known = "s3, gs, abfs and others that pyarrow.fs.FileSystem.from_uri knows"
        problem = (Argument("root"), f": {shown} can't be opened by pyarrow")
        raise UsageError(problem, hint=f"URLs begin with {known}") from (None if secrets else error)
    return Place(filesystem, base.rstrip("/"), shown, secrets)
