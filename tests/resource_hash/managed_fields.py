"""Section 3: what `metadata.managedFields` tells about who chose a value."""

from .canonical import Value

FieldPath = tuple[str, ...]


def owners(managed_fields: Value) -> list[Value]:
    """The `fieldsV1` of each entry that has them."""
    entries = managed_fields if isinstance(managed_fields, list) else []
    return [entry["fieldsV1"] for entry in entries if isinstance(entry, dict) and "fieldsV1" in entry]


def is_owned(fields: Value, path: FieldPath) -> bool:
    """Whether an entry has the path, or one to something above it with nothing below."""
    for segment in path:
        if not isinstance(fields, dict) or not fields:
            return True
        if segment not in fields:
            return False
        fields = fields[segment]
    return True


def has(fields: Value, path: FieldPath) -> bool:
    """Whether an entry has the path itself."""
    for segment in path:
        if not isinstance(fields, dict) or segment not in fields:
            return False
        fields = fields[segment]
    return True
