"""A channel that nobody sends through."""


def insecure_channel(_: str) -> None:
    """Return no channel."""
