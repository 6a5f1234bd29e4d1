"""A signed S3 request (AWS Signature Version 4), enough to make and delete buckets without a client library.

The scheme: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from pentad_services._credentials import KeyPair

_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class S3Request:
    """Sends requests without a body to one server with one pair of keys."""

    endpoint: str
    secure: bool
    region: str
    keys: KeyPair

    def send(self, method: str, path: str, query: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError or HTTPException when there is none."""
        target = quote(path, safe="/-_.~")
        text = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted((query or {}).items()))
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.endpoint, timeout=60)
        try:
            connection.request(
                method, f"{target}?{text}" if text else target, headers=self._headers(method, target, text)
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _headers(self, method: str, target: str, query: str) -> dict[str, str]:
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": self.endpoint, "x-amz-content-sha256": _EMPTY, "x-amz-date": now}
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = hashlib.sha256(f"{method}\n{target}\n{query}\n{lines}\n{names}\n{_EMPTY}".encode()).hexdigest()
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        signature = hmac.new(
            self._key(now[:8]), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{canonical}".encode(), hashlib.sha256
        )
        credential = f"AWS4-HMAC-SHA256 Credential={self.keys.access.text()}/{scope}"
        headers["authorization"] = f"{credential}, SignedHeaders={names}, Signature={signature.hexdigest()}"
        return headers

    def _key(self, day: str) -> bytes:
        key = b"AWS4" + self.keys.secret.data()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key
