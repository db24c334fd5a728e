"""Errors met when a request goes to MLflow's scoring server."""

from __future__ import annotations

from services.signatures.catalogue.entry import Entry

_REQUEST = """\
curl -X POST http://HOST:PORT/invocations -H 'Content-Type: application/json' \\
  -d '{"dataframe_split": {"columns": ["amount", "country"], "data": [[12.5, "US"]]}}'"""
_RECORDS = '{"dataframe_records": [{"amount": 12.5, "country": "US"}]}'
_SPLIT = '{"dataframe_split": {"columns": ["amount", "country"], "data": [[12.5, "US"]]}}'

SCORING: tuple[Entry, ...] = (
    Entry(
        name="request_form",
        pattern=r"input must be a JSON dictionary with exactly one of the input fields",
        cause="The request is not an object with exactly one of dataframe_split, dataframe_records, instances or "
        "inputs. "
        "Before MLflow 2 a bare list or table was sent.",
        remedy="Wrap the data in one of the four forms; dataframe_split keeps the order of columns.",
        lines=_REQUEST,
    ),
    Entry(
        name="request_json",
        pattern=r"Ensure that (?:the )?input is a valid JSON[ -]formatted string",
        cause="The body of the request is not valid JSON, or not UTF-8.",
        remedy="Build it with a JSON library rather than by hand.",
        lines=_REQUEST,
    ),
    Entry(
        name="request_cast",
        pattern=r"Data is not compatible with model signature\. Failed to convert column (?P<column>.{1,200}?) to type "
        r"'?(?P<type>[^'.]{1,80}?)'?[. ]",
        cause="The scoring server casts every column to its declared type before the model sees it, and a value of "
        "$column cannot be cast to $type.",
        remedy="Send values of the declared type. Beware of those that can be cast: 0.5 sent to a long arrives as 0.",
        lines="gatehouse signature check NAME/VERSION --data request.json",
    ),
    Entry(
        name="records_form",
        pattern=r"Dataframe records format must be a list of records",
        cause="dataframe_records holds something else than a list of objects.",
        remedy="Send a list, also for one row.",
        lines=_RECORDS,
    ),
    Entry(
        name="split_form",
        pattern=r"Dataframe split format must",
        cause="dataframe_split lacks its data, or has keys besides columns, index and data.",
        remedy="Send columns and data, as pandas writes them with orient='split'.",
        lines=_SPLIT,
    ),
    Entry(
        name="frame_form",
        pattern=r"Provided dataframe_(?:split|records) field is not a valid dataframe",
        cause="The rows do not fit the columns: one has more or fewer values than there are names.",
        remedy="Send as many values in each row as there are columns.",
        lines=_SPLIT,
    ),
    Entry(
        name="column_lengths",
        pattern=r"length of values for each input/column name are not the same",
        cause="Columns sent as lists have different lengths.",
        remedy="Send one value a row in every column.",
    ),
    Entry(
        name="unnamed_array",
        pattern=r"expects a single n-dimensional array or\s+a single value as input",
        cause="The model declares one unnamed array, and an object of named values was sent.",
        remedy="Send the array itself.",
        lines='{"inputs": [[0.1, 0.2, 0.3]]}',
    ),
    Entry(
        name="instances_or_inputs",
        pattern=r'One of "instances" and "inputs" must be specified|"signature_name" parameter is currently not '
        r"supported",
        cause="The request mixes forms, or uses a key of TensorFlow Serving that MLflow does not know.",
        remedy="Send inputs or instances alone.",
        lines='{"inputs": [[0.1, 0.2, 0.3]]}',
    ),
    Entry(
        name="content_type",
        pattern=r"predictor only supports the following content types|scoring server only supports UTF-8|"
        r"Unrecognized content type parameters",
        cause="The request has a Content-Type that the scoring server does not read.",
        remedy="Send application/json, text/csv or application/vnd.apache.parquet, in UTF-8.",
        lines=_REQUEST,
    ),
)
