"""Response headers that every page of the portal carries."""

from portal.settings import CatalogueSettings, SiteSettings


def security_headers(settings: SiteSettings) -> dict[str, str]:
    """Headers that keep pages free of scripts, frames and other sites' content."""
    return {
        "Content-Security-Policy": _written(_policy(settings)),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


def upload_policy(settings: CatalogueSettings) -> str:
    """The content security policy of the one page with a script: it sends files to the private bucket."""
    bucket = f"{settings.s3_url}/{settings.private_bucket}"
    scripts = {"script-src": settings.static_url, "connect-src": f"'self' {bucket} {bucket}/"}
    return _written(_policy(settings) | scripts)


def _policy(settings: SiteSettings) -> dict[str, str]:
    """The style sheet comes from the static bucket; forms go to this site, and to the notebooks by redirect."""
    return {
        "default-src": "'none'",
        "style-src": settings.static_url,
        "img-src": f"'self' {settings.static_url}",
        "form-action": f"'self' {settings.hub_url}",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }


def _written(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in policy.items())
