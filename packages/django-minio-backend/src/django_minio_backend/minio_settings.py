"""`MinioSettings`: every setting of a storage with its type, its default and its meaning.

Django's settings and the keywords of a storage are the only sources: an environment variable that happens to
be called `MINIO_ENDPOINT` changes nothing. Text beginning with `env:` or `file:` means something for the
credentials alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from minio.credentials.providers import Provider

from django_minio_backend.content_types import ACTIVE_TYPES
from django_minio_backend.credentials import held
from django_minio_backend.credentials_document import DocumentProvider
from django_minio_backend.declarations import BucketDeclaration, parse_declarations
from pentad_config import ConfigError, Problem, Secret, Settings, setting

__all__ = ["DEFAULT_BUCKET", "STATIC_FILES_BUCKET", "MinioSettings", "as_flag", "provider_in"]

DEFAULT_BUCKET: Final = "auto-generated-bucket-media-files"
STATIC_FILES_BUCKET: Final = "auto-generated-bucket-static-files"

_MIB: Final = 1024 * 1024
_WORDS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def _refusal(what: str) -> ConfigError:
    """Return the error for a value; `MinioSettings` puts the setting's name before it."""
    return ConfigError([Problem("", what)])


def as_flag(value: Any) -> bool:
    """Read a yes/no value. None counts as no: it is what a variable that is not set gives.

    Raises pentad_config.ConfigError.
    """
    if value is None or isinstance(value, (bool, int)):
        return bool(value)
    if isinstance(value, str) and (meant := _WORDS.get(value.strip().lower())) is not None:
        return meant
    raise _refusal("a yes/no value is needed: True or False.")


def _flag_or_none(value: Any) -> bool | None:
    return None if value is None or value == "" else as_flag(value)


def _host(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and not any(mark in value for mark in "/?#@ \t\r\n"):
        return value
    raise _refusal("host or host:port is needed, without scheme, path and user name.")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _refusal(f"text is needed, not {_kind(value)}.")


def _prefix(value: Any) -> str:
    prefix = "" if value is None else _text(value)
    parts = prefix.removesuffix("/").split("/")
    if prefix and (not prefix.endswith("/") or not {"", ".", ".."}.isdisjoint(parts)):
        raise _refusal("a prefix that ends with a slash is needed, such as incoming/.")
    return prefix


def _region(value: Any) -> str | None:
    return None if value is None else _text(value) or None


def _bucket(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise _refusal(f"the name of a bucket is needed, not {_kind(value)}.")


def _buckets(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise _refusal(f"a list of bucket names is needed, not {_kind(value)}.")


def _types(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(name, str) for name in value):
        return tuple(name.lower() for name in value)
    raise _refusal(f"a list of content types is needed, not {_kind(value)}.")


def _policy_hooks(value: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
    if not all(_is_hook(hook) for hook in value or ()):
        raise _refusal("a list of pairs is needed: a bucket's name and its policy as a dictionary.")
    return tuple((bucket, dict(policy)) for bucket, policy in value or ())


def _is_hook(hook: Any) -> bool:
    pair = isinstance(hook, (list, tuple)) and len(hook) == 2
    return pair and isinstance(hook[0], str) and isinstance(hook[1], Mapping)


def _expiry(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return timedelta(hours=value)
    raise _refusal(f"a timedelta or a number of hours is needed, not {_kind(value)}.")


def _seconds(value: Any) -> float:
    seconds = _number(float, value)
    if seconds > 0:
        return float(seconds)
    raise _refusal("a positive number of seconds is needed.")


def _seconds_or_none(value: Any) -> float | None:
    return None if value is None or value == "" else _seconds(value)


def _at_least(least: int, value: Any) -> int:
    number = _number(int, value)
    if number >= least:
        return int(number)
    raise _refusal(f"a whole number from {least} on is needed.")


def _number(kind: Callable[[Any], float], value: Any) -> float:
    """Read a number, also from text, as the environment gives it."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return kind(value)
        except (ValueError, OverflowError):
            pass
    raise _refusal(f"a number is needed, not {_kind(value)}.")


def _cache_timeout(value: Any) -> int | None:
    return None if value is None else int(_number(int, value))


def _http_client(value: Any) -> Any:
    if value is None or callable(getattr(value, "urlopen", None)):
        return value
    raise _refusal(f"a urllib3.PoolManager is needed, not {_kind(value)}.")


def provider_in(value: Any) -> Provider | None:
    """Return the provider that MINIO_CREDENTIALS stands for. Raises pentad_config.ConfigError."""
    if value is None or isinstance(value, Provider):
        return value
    if isinstance(value, Secret) or (isinstance(value, str) and value.startswith(("env:", "file:"))):
        return DocumentProvider(held("MINIO_CREDENTIALS", value))
    raise _refusal(f"file:/path, env:VARIABLE, or a provider of the minio package is needed, not {_kind(value)}.")


def _kind(value: Any) -> str:
    """Return what may be said about a wrong value: its type."""
    return "an empty text" if value == "" else type(value).__name__


class MinioSettings(Settings, prefix="MINIO_"):
    """The settings of one storage, each named MINIO_ and its own name in capitals."""

    endpoint: str | None = setting(None, parse=_host, doc="The server, as host or host:port. Required.")
    access_key: Secret | None = setting(
        None,
        parse=partial(held, "MINIO_ACCESS_KEY"),
        doc="Who signs: text, env:VARIABLE, file:/path or a Secret. Required unless there is a provider.",
    )
    secret_key: Secret | None = setting(
        None,
        parse=partial(held, "MINIO_SECRET_KEY"),
        doc="What is signed with, given like the access key. Required unless there is a provider.",
    )
    session_token: Secret | None = setting(
        None, parse=partial(held, "MINIO_SESSION_TOKEN"), doc="Third part of temporary credentials."
    )
    credentials: Provider | None = setting(
        None,
        parse=provider_in,
        doc="In place of the keys: a JSON file with both, as file:/path, or a provider of the minio package.",
    )
    use_https: bool | None = setting(
        None, parse=_flag_or_none, doc="Speak TLS. Required with global settings, else no by default."
    )
    external_endpoint: str | None = setting(None, parse=_host, doc="The address that links name, if it is another.")
    external_endpoint_use_https: bool | None = setting(
        None, parse=_flag_or_none, doc="Whether TLS is spoken there. Set both of the external settings or neither."
    )
    region: str | None = setting(
        "us-east-1", parse=_region, doc="The region to sign for; None asks the server once per bucket."
    )
    url_expiry_hours: timedelta = setting(
        timedelta(days=7), parse=_expiry, doc="How long links are valid: a timedelta or a number of hours."
    )
    consistency_check_on_start: bool = setting(False, parse=as_flag, doc="Run initialize_buckets when Django starts.")
    private_buckets: tuple[str, ...] = setting((), parse=_buckets, doc="The buckets that only credentials open.")
    public_buckets: tuple[str, ...] = setting((), parse=_buckets, doc="The buckets whose objects anyone may read.")
    public_listing: bool = setting(False, parse=as_flag, doc="Let anyone list the names in public buckets.")
    policy_hooks: tuple[tuple[str, dict[str, Any]], ...] = setting(
        (), parse=_policy_hooks, doc="Pairs of bucket and policy that initialize_buckets sets last."
    )
    buckets: Mapping[str, BucketDeclaration] = setting(
        {}, parse=parse_declarations, doc="Versioning, lifecycle, CORS and policy by bucket, set by initialize_buckets."
    )
    default_bucket: str = setting(
        DEFAULT_BUCKET, parse=_bucket, aliases=("MINIO_MEDIA_FILES_BUCKET",), doc="The bucket of MinioBackend()."
    )
    static_files_bucket: str = setting(STATIC_FILES_BUCKET, parse=_bucket, doc="The bucket of MinioBackendStatic().")
    bucket_check_on_save: bool = setting(False, parse=as_flag, doc="Create a missing bucket at the save that needs it.")
    http_client: Any = setting(None, parse=_http_client, doc="A urllib3.PoolManager to use in place of an own one.")
    connect_timeout: float = setting(5.0, parse=_seconds, doc="Seconds to wait for a connection.")
    read_timeout: float = setting(60.0, parse=_seconds, doc="Seconds to wait for an answer.")
    total_timeout: float | None = setting(
        None, parse=_seconds_or_none, doc="Seconds an operation may take in all, repetitions included; None: no bound."
    )
    retries: int = setting(3, parse=partial(_at_least, 0), doc="Repetitions after a failed connection or 5xx answer.")
    conditional_writes: bool | None = setting(
        None, parse=_flag_or_none, doc="Whether the server honours If-None-Match: *; None finds out."
    )
    multipart_upload: bool = setting(False, parse=as_flag, doc="Upload in parts from the threshold on.")
    multipart_threshold: int = setting(10 * _MIB, parse=partial(_at_least, 1), doc="Bytes from which parts are used.")
    multipart_part_size: int = setting(
        10 * _MIB, parse=partial(_at_least, 5 * _MIB), doc="Bytes of one part; S3 takes none below 5 MiB."
    )
    incoming_prefix: str = setting(
        "", parse=_prefix, doc="Where browsers may put files by themselves, such as incoming/; empty for nowhere."
    )
    attachment_types: tuple[str, ...] = setting(
        ACTIVE_TYPES, parse=_types, doc="Content types that browsers shall download, not show; [] for none."
    )
    url_caching_enabled: bool = setting(False, parse=as_flag, doc="Keep links in Django's cache.")
    url_cache_timeout: int | None = setting(
        None, parse=_cache_timeout, doc="Seconds to keep a link; never more than 80 % of its validity."
    )
    url_cache_prefix: str = setting("minio_url_", parse=_text, doc="What the cache keys of links begin with.")
