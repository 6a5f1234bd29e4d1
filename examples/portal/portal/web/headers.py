"""Response headers that every page of the portal carries."""

from portal.settings import SiteSettings


def security_headers(settings: SiteSettings) -> dict[str, str]:
    """Headers that keep pages free of scripts, frames and other sites' content.

    The style sheet comes from the static bucket; forms go to this site, and to the notebooks by redirect.
    """
    policy = {
        "default-src": "'none'",
        "style-src": settings.static_url,
        "img-src": f"'self' {settings.static_url}",
        "form-action": f"'self' {settings.hub_url}",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
