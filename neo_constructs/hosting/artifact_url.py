"""Where the artifact of a model lies, by the URL that the API takes."""

from __future__ import annotations


def split_url(url: str) -> tuple[str, str]:
    """Return bucket and key of an artifact's URL; empty where they are known only at deploy.

    Source: botocore, pattern of Url, which takes ``s3://`` and ``https://`` addresses.
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3":
        return host, path
    if scheme == "https" and host.startswith(("s3.", "s3-")):
        bucket, _, key = path.partition("/")
        return bucket, key
    if scheme == "https" and ".s3" in host:
        return host.partition(".s3")[0], path
    return "", ""
