"""Errors met when a DataFrame is handed to `predict`, or to the model behind it."""

from __future__ import annotations

from services.signatures.catalogue.entry import Entry

_CONFORM = "gatehouse signature conform NAME/VERSION --data requests.csv --out conformed.parquet"
_CHECK = "gatehouse signature check NAME/VERSION --data requests.csv"

CALLING: tuple[Entry, ...] = (
    Entry(
        name="missing_inputs",
        pattern=r"Model is missing inputs \[(?P<missing>[^\]]{0,2000})\](?:.{0,10}Note that there were extra inputs: "
        r"\[(?P<extra>[^\]]{0,2000})\])?",
        cause="The data lacks required columns: $missing. Columns nobody declared came with it: $extra; where one of "
        "them is the missing one under another name, it was renamed upstream.",
        remedy="Send the columns under the declared names; names are case-sensitive. If the model can do without, "
        "declare the column as optional when logging it.",
        lines=f"frame = frame.rename(columns={{'THEIR_NAME': 'DECLARED_NAME'}})\n\n{_CHECK}",
    ),
    Entry(
        name="missing_by_count",
        pattern=r"Model inference is missing inputs|inputs were not named in the signature",
        cause="The signature has no column names, so columns are counted, and the data has too few.",
        remedy="Send all columns in the order of training. Better, log the model with a DataFrame, so that names are "
        "kept.",
        lines=_CHECK,
    ),
    Entry(
        name="missing_column",
        pattern=r"The input column '(?P<column>[^']{1,200})' is required",
        cause="The column $column is required and not in the data.",
        remedy="Add it, or declare it as optional when logging the model.",
        lines=_CHECK,
    ),
    Entry(
        name="missing_undisclosed",
        pattern=r"Input schema validation failed\. Mismatched or missing input|Failed to enforce model input schema\.",
        cause="The data does not fit the signature; the server hides the details (MLFLOW_DISABLE_SCHEMA_DETAILS).",
        remedy="Check the data against the signature here, where every problem is listed.",
        lines=_CHECK,
    ),
    Entry(
        name="expected_columns",
        pattern=r"Model expected columns",
        cause="The columns of the data are not those the model was trained with: some are missing, renamed or new.",
        remedy="Compare both lists, rename what was renamed upstream, and send all declared columns.",
        lines=_CHECK,
    ),
    Entry(
        name="missing_values_in_integers",
        pattern=r"type mismatch is likely caused by missing values",
        cause="A whole-number column misses values, so pandas holds it as float64, and MLflow will not cast that back.",
        remedy="Fill or drop those rows with a value that means something; never with 0 by habit. If values may be "
        "missing, declare the column as double.",
        lines="frame = frame.dropna(subset=['COLUMN']).astype({'COLUMN': 'int64'})",
    ),
    Entry(
        name="bool_to_number",
        pattern=r"Can ?not safely convert (?:bool|boolean) to (?P<target>float\d*|int\d*)",
        cause="The column holds true and false, and the model declares numbers. MLflow never makes that choice itself.",
        remedy="Cast it: true becomes 1 and false 0, which loses nothing.",
        lines="frame['COLUMN'] = frame['COLUMN'].astype('$target')",
    ),
    Entry(
        name="int_to_float",
        pattern=r"Can ?not safely convert (?:int64|Int64|uint64) to (?P<target>float\d+)",
        cause="The column holds 64-bit whole numbers and the model declares $target, which cannot hold all of them, so "
        "MLflow refuses. Columns of only 0 and 1 pass, which makes this fail on some batches only.",
        remedy="Cast it if all values are below 2^53 (2^24 for float32). Conforming checks that.",
        lines=f"frame['COLUMN'] = frame['COLUMN'].astype('$target')\n\n{_CONFORM}",
    ),
    Entry(
        name="double_to_float",
        pattern=r"Can ?not safely convert (?:float64|Float64) to float(?:32|16)",
        cause="The model was trained on 32-bit numbers and the data has 64 bits, which would be rounded.",
        remedy="Cast it, if rounding to 7 digits is what training did as well.",
        lines="frame['COLUMN'] = frame['COLUMN'].astype('float32')",
    ),
    Entry(
        name="float_to_bool",
        pattern=r"Can ?not safely convert (?:float|int|uint|Float|Int|UInt)\d+ to bool",
        cause="The column holds numbers and the model declares true or false.",
        remedy="Cast it if it holds only 0 and 1; anything else would become true.",
        lines="assert frame['COLUMN'].isin([0, 1]).all()\nframe['COLUMN'] = frame['COLUMN'].astype('bool')",
    ),
    Entry(
        name="category",
        pattern=r"Can ?not safely convert category",
        cause="The column is categorical. Its codes depend on the categories of the batch at hand, so they would not "
        "be "
        "those of training.",
        remedy="Send the values themselves and encode them inside the model, with the categories of training.",
        lines="frame['COLUMN'] = frame['COLUMN'].astype('str')\n\n"
        "# in training: the encoder is part of the model\nmake_pipeline(OrdinalEncoder(handle_unknown='error'), "
        "estimator)",
    ),
    Entry(
        name="incompatible_types",
        pattern=r"Incompatible input types for column (?P<column>.{1,200}?)\. Can ?not safely convert "
        r"(?P<source>[\w\[\], ]+?) to (?P<target>[\w\[\]<>]+)",
        cause="The column $column holds $source, and the model declares $target. MLflow casts only where nothing can "
        "be lost: to wider whole numbers, and from up to 32 bits to double.",
        remedy="Cast it before the call, where that loses nothing; conforming does so and lists each cast.",
        lines=f"frame[$column_text] = frame[$column_text].astype('$target')\n\n{_CONFORM}",
    ),
    Entry(
        name="incompatible_types_generic",
        pattern=r"Incompatible input types|Can ?not safely convert",
        cause="A column is of another type than at training, and MLflow does not cast where something might be lost. "
        "With "
        "a categorical column, the codes of this batch are not those of training.",
        remedy="Conform the data to the signature, so that every cast is listed and none loses anything unasked; send "
        "categories as their values.",
        lines=_CONFORM,
    ),
    Entry(
        name="time_zone",
        pattern=r"only contains timezone-naive|Cannot (?:use \.astype to )?convert.{0,40}(?:timezone|tz)-aware",
        cause="The times carry a time zone, and MLflow takes times without one only.",
        remedy="Bring them to the zone of training, usually UTC, and drop the zone.",
        lines="frame['COLUMN'] = frame['COLUMN'].dt.tz_convert('UTC').dt.tz_localize(None)",
    ),
    Entry(
        name="cannot_convert_column",
        pattern=r"Failed to convert column (?P<column>.{1,200}?) from type (?P<source>.{1,80}?) to (?P<target>\w+)",
        cause="The column $column holds $source values of which at least one cannot be read as $target.",
        remedy="Find and correct those values; checking names the first of them.",
        lines=_CHECK,
    ),
    Entry(
        name="decimal",
        pattern=r"unsupported operand type\(s\) for .{1,5} '?(?:decimal\.)?Decimal'? and '?float|"
        r"unsupported operand type\(s\) for .{1,5} '?float'? and '?(?:decimal\.)?Decimal",
        cause="Spark hands decimals to pandas as Python's Decimal, which does not calculate with floats.",
        remedy="Cast the column to float64 before the model sees it.",
        lines="frame['COLUMN'] = frame['COLUMN'].astype('float64')",
    ),
    Entry(
        name="feature_count",
        pattern=r"X has (?P<found>\d+) features, but .{1,80} is expecting (?P<expected>\d+) features",
        cause="The model got $found columns where it was trained on $expected. It was called past its signature, or "
        "has none.",
        remedy="Call it through MLflow's pyfunc with a signature of named columns, which leaves out what is extra and "
        "says what is missing.",
        lines='model = mlflow.pyfunc.load_model("models:/NAME@production")\nmodel.predict(frame)',
    ),
    Entry(
        name="feature_names",
        pattern=r"feature names should match those that were passed during fit",
        cause="The columns have other names or another order than at training, and the library checks that itself.",
        remedy="Call the model through MLflow's pyfunc with a signature: it puts named columns into order.",
        lines='model = mlflow.pyfunc.load_model("models:/NAME@production")\nmodel.predict(frame)',
    ),
    Entry(
        name="extra_inputs",
        pattern=r"Found extra inputs in the model input",
        cause="The data has columns that the signature does not declare. MLflow leaves them out and goes on.",
        remedy="Nothing must be done. If the model was meant to use them, it was logged from the wrong example.",
    ),
    Entry(
        name="no_dataframe",
        pattern=r"Expected input to be DataFrame\. Found: (?P<found>\w+)|error casting the input data to a DataFrame",
        cause="The signature declares columns, and what was sent cannot be made a table.",
        remedy="Send a DataFrame with the declared columns.",
        lines="model.predict(pd.DataFrame([{'COLUMN': 1.0}]))",
    ),
)
