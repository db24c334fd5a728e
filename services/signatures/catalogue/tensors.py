"""Errors met with models that declare tensors."""

from __future__ import annotations

from services.signatures.catalogue.entry import Entry

_RESHAPE = "values = np.asarray(values, dtype='float32').reshape(-1, 28, 28)"

TENSORS: tuple[Entry, ...] = (
    Entry(
        name="tensor_shape",
        pattern=r"Shape of input \((?P<found>[^)]{0,200})\) does not match expected shape "
        r"\((?P<expected>[^)]{0,200})\)",
        cause="The array has the shape ($found) and ($expected) is declared, where -1 stands for any length.",
        remedy="Reshape it; a single row still needs its first dimension.",
        lines=_RESHAPE,
    ),
    Entry(
        name="tensor_dtype",
        pattern=r"dtype of input (?P<found>\S+) does not match expected dtype (?P<expected>\w+)",
        cause="The array is of $found and $expected is declared. Arrays are never cast, not even to a wider dtype.",
        remedy="Cast the array before the call.",
        lines="values = values.astype('$expected')",
    ),
    Entry(
        name="tensor_by_name",
        pattern=r"tensor-based model signature with input names",
        cause="The model takes a mapping of named arrays, and something else was sent.",
        remedy="Send a mapping from each declared name to an array.",
        lines="model.predict({'NAME': np.asarray(values)})",
    ),
    Entry(
        name="tensor_without_name",
        pattern=r"tensor-based model signature with no input names",
        cause="The model takes one array, and something that is neither an array nor a table was sent.",
        remedy="Send a NumPy array.",
        lines="model.predict(np.asarray(values))",
    ),
    Entry(
        name="tensor_table_shape",
        pattern=r"For pandas dataframe input, the first dimension of shape must be a variable",
        cause="A table can stand for an array only where the first length is free and all others are fixed.",
        remedy="Send an array instead of a table.",
        lines="model.predict(frame.to_numpy())",
    ),
    Entry(
        name="tensor_table_width",
        pattern=r"model signature with an unnamed input\. Since the\s+input data is a pandas DataFrame containing "
        r"multiple",
        cause="The table has another number of columns than the declared array has in its second dimension.",
        remedy="Send exactly the columns of training, in their order, or an array.",
        lines="model.predict(frame[TRAINING_COLUMNS].to_numpy())",
    ),
    Entry(
        name="tensor_table_values",
        pattern=r"could not be converted to the expected shape|contains scalar values, which requires the shape|"
        r"signature requires tensor spec input",
        cause="A column of the table cannot be made an array of the declared shape.",
        remedy="Let each cell hold a flat list of as many numbers as one row of the array has, or send an array.",
        lines=_RESHAPE,
    ),
    Entry(
        name="empty_table",
        pattern=r"Input DataFrame is empty",
        cause="The table has no rows, and the model declares an array.",
        remedy="Do not call the model without rows.",
    ),
)
