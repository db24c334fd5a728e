"""Errors met with nested values: lists, objects and maps inside columns."""

from __future__ import annotations

from services.signatures.catalogue.entry import Entry

_CHECK = "gatehouse signature check NAME/VERSION --data requests.json"

NESTED: tuple[Entry, ...] = (
    Entry(
        name="missing_properties",
        pattern=r"Missing required properties: \{(?P<missing>[^}]{0,2000})\}",
        cause="An object inside the data lacks required properties: $missing.",
        remedy="Send them, or declare them as optional when logging the model.",
        lines='Property("NAME", DataType.string, required=False)',
    ),
    Entry(
        name="invalid_properties",
        pattern=r"Invalid properties not defined in the schema found: \{(?P<extra>[^}]{0,2000})\}",
        cause="An object inside the data has properties that nobody declared: $extra. Unlike extra columns, they are "
        "refused.",
        remedy="Leave them out, or log a new version that declares them as optional.",
        lines=_CHECK,
    ),
    Entry(
        name="key_of_other_type",
        pattern=r"Failed to enforce schema for key `(?P<key>.{1,200}?)`\. Expected type (?P<expected>\w+), received "
        r"type "
        r"(?P<found>\w+)",
        cause="The property $key is a $found where $expected is declared. Inside objects MLflow casts nothing: not "
        "even 5 to 5.0.",
        remedy="Send exactly the declared type; conforming casts what loses nothing.",
        lines="gatehouse signature conform NAME/VERSION --data requests.json --out conformed.parquet",
    ),
    Entry(
        name="no_list",
        pattern=r"Expected data to be list or numpy array, got (?P<found>\w+)",
        cause="A list is declared and a $found was sent; a tuple is no list to MLflow.",
        remedy="Send a list, also where it has one item only.",
        lines="frame['COLUMN'] = frame['COLUMN'].map(list)",
    ),
    Entry(
        name="no_mapping",
        pattern=r"Expected data to be (?:a dict|dictionary), got (?P<found>\w+)",
        cause="An object or map is declared and a $found was sent, often JSON that was never parsed.",
        remedy="Send a mapping; parse text first.",
        lines="frame['COLUMN'] = frame['COLUMN'].map(json.loads)",
    ),
    Entry(
        name="no_scalar",
        pattern=r"Expected data to be scalar, got (?P<found>\w+)",
        cause="A single value is declared and a $found was sent. Missing values and Python's own dates count as none "
        "inside objects.",
        remedy="Send a plain value, declare the property as optional if it may be missing, and send times as "
        "numpy.datetime64.",
        lines='Property("NAME", DataType.double, required=False)',
    ),
    Entry(
        name="map_keys",
        pattern=r"Expected all keys in the map type data are string type",
        cause="A map has keys that are not text.",
        remedy="Turn the keys into text.",
        lines="frame['COLUMN'] = frame['COLUMN'].map(lambda value: {str(key): item for key, item in value.items()})",
    ),
    Entry(
        name="value_of_other_type",
        pattern=r"Failed to enforce schema of data `(?P<value>.{0,200}?)` with dtype `(?P<expected>\w+)`",
        cause="The nested value $value is not of the type $expected. Nested values are not cast: JSON numbers are long "
        "or double, so integer and float never fit.",
        remedy="Declare nested numbers as long or double, and send whole numbers for long only.",
        lines=_CHECK,
    ),
)
