"""Bucket policies as documents."""

from __future__ import annotations

from typing import Any

__all__ = ["public_read_policy", "same_policy"]


def public_read_policy(bucket: str, *, listing: bool = False) -> dict[str, Any]:
    """Return the policy that lets anyone read objects of `bucket`, and list their names if `listing`."""
    everyone = {"AWS": ["*"]}
    arn = f"arn:aws:s3:::{bucket}"
    statements = [{"Effect": "Allow", "Principal": everyone, "Action": ["s3:GetObject"], "Resource": [f"{arn}/*"]}]
    if listing:
        actions = ["s3:GetBucketLocation", "s3:ListBucket"]
        statements.insert(0, {"Effect": "Allow", "Principal": everyone, "Action": actions, "Resource": [arn]})
    return {"Version": "2012-10-17", "Statement": statements}


def same_policy(one: Any, other: Any) -> bool:
    """Tell whether two policies say the same, whatever way the server wrote its one down."""
    return bool(_normal(one) == _normal(other))


def _normal(part: Any) -> Any:
    """Reduce a policy to what it means: the order of lists, a list of one and labels do not count."""
    if isinstance(part, dict):
        return {key: _value(key, value) for key, value in part.items() if key not in {"Sid", "Id", "Version"}}
    if isinstance(part, list):
        reduced = [_normal(item) for item in part]
        return reduced[0] if len(reduced) == 1 else sorted(reduced, key=repr)
    return part


def _value(key: str, value: Any) -> Any:
    reduced = _normal(value)
    return "everyone" if key == "Principal" and reduced in ("*", {"AWS": "*"}) else reduced
