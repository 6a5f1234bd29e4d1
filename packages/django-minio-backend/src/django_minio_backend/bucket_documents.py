"""Versioning, lifecycle and CORS of a bucket as the XML documents of the S3 API, both ways.

The SDK knows no CORS, and drops what its classes of lifecycle rules do not model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from django_minio_backend.declarations import CorsRule, LifecycleRule

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "cors_document",
    "cors_rules",
    "lifecycle_document",
    "lifecycle_rules",
    "versioning_document",
    "versioning_of",
]

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MODELLED = {
    "ID", "Status", "Prefix", "Filter", "Filter/Prefix", "Filter/And/Prefix", "Expiration/Days",
    "NoncurrentVersionExpiration/NoncurrentDays", "AbortIncompleteMultipartUpload/DaysAfterInitiation",
}  # fmt: skip


def versioning_document(enabled: bool) -> bytes:
    """Return the document that enables or suspends versioning."""
    root = _root("VersioningConfiguration")
    _add(root, "Status", "Enabled" if enabled else "Suspended")
    return ET.tostring(root)


def versioning_of(document: bytes) -> bool:
    """Return whether versions are kept. Suspended and never enabled are the same to a declaration."""
    return _plain(document).findtext("Status") == "Enabled"


def lifecycle_document(rules: Iterable[LifecycleRule]) -> bytes:
    """Return the document with the rules."""
    root = _root("LifecycleConfiguration")
    for number, rule in enumerate(rules, 1):
        element = ET.SubElement(root, "Rule")
        _add(element, "ID", rule.id or f"rule-{number}")
        _add(element, "Status", "Enabled" if rule.enabled else "Disabled")
        _add(ET.SubElement(element, "Filter"), "Prefix", rule.prefix)
        for parent, child, days in _days(rule):
            if days is not None:
                _add(ET.SubElement(element, parent), child, str(days))
    return ET.tostring(root)


def _days(rule: LifecycleRule) -> list[tuple[str, str, int | None]]:
    return [
        ("Expiration", "Days", rule.expire_days),
        ("NoncurrentVersionExpiration", "NoncurrentDays", rule.noncurrent_expire_days),
        ("AbortIncompleteMultipartUpload", "DaysAfterInitiation", rule.abort_uploads_days),
    ]


def lifecycle_rules(document: bytes) -> tuple[LifecycleRule, ...]:
    """Return the rules of a server's document; what is not modelled goes into `other`."""
    return tuple(_lifecycle_rule(element) for element in _plain(document).findall("Rule"))


def _lifecycle_rule(element: ET.Element) -> LifecycleRule:
    places = ("Filter/Prefix", "Filter/And/Prefix", "Prefix")
    return LifecycleRule(
        prefix=next((text for place in places if (text := element.findtext(place))), ""),
        expire_days=_number(element, "Expiration/Days"),
        noncurrent_expire_days=_number(element, "NoncurrentVersionExpiration/NoncurrentDays"),
        abort_uploads_days=_number(element, "AbortIncompleteMultipartUpload/DaysAfterInitiation"),
        id=element.findtext("ID") or "",
        enabled=element.findtext("Status") == "Enabled",
        other=" ".join(f"{path}={text}" for path, text in _leaves(element) if path not in _MODELLED),
    )


def cors_document(rules: Iterable[CorsRule]) -> bytes:
    """Return the document with the rules."""
    root = _root("CORSConfiguration")
    for rule in rules:
        element = ET.SubElement(root, "CORSRule")
        for name, values in (
            ("AllowedOrigin", rule.origins),
            ("AllowedMethod", rule.methods),
            ("AllowedHeader", rule.headers),
            ("ExposeHeader", rule.expose),
        ):
            for value in values:
                _add(element, name, value)
        if rule.max_age is not None:
            _add(element, "MaxAgeSeconds", str(rule.max_age))
    return ET.tostring(root)


def cors_rules(document: bytes) -> tuple[CorsRule, ...]:
    """Return the rules of a server's document."""
    return tuple(_cors_rule(element) for element in _plain(document).findall("CORSRule"))


def _cors_rule(element: ET.Element) -> CorsRule:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(one.text or "" for one in element.findall(name))

    return CorsRule(
        origins=texts("AllowedOrigin"),
        methods=texts("AllowedMethod"),
        headers=texts("AllowedHeader"),
        expose=texts("ExposeHeader"),
        max_age=_number(element, "MaxAgeSeconds") or None,  # some servers say 0 for none
    )


def _root(name: str) -> ET.Element:
    return ET.Element(name, xmlns=_NAMESPACE)


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _number(element: ET.Element, path: str) -> int | None:
    text = element.findtext(path)
    return int(text) if text else None


def _plain(document: bytes) -> ET.Element:
    """Parse a document without its namespace, which some servers leave out."""
    root = ET.fromstring(document)  # noqa: S314  the configured server's answer
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _leaves(element: ET.Element, above: str = "") -> Iterable[tuple[str, str]]:
    for child in element:
        path = f"{above}{child.tag}"
        if len(child):
            yield from _leaves(child, f"{path}/")
        else:
            yield path, child.text or ""
