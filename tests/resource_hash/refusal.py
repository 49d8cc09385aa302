"""The error of this package."""


class Refused(Exception):
    """Input that has no hash."""
