"""What the footer of a Parquet file tells of its columns, without a value being read; None is what it does not tell."""

from __future__ import annotations

import pyarrow.parquet as pq


class FileStatistics:
    """What the statistics of all row groups of a file say together."""

    def __init__(self, metadata: pq.FileMetaData) -> None:
        self.rows = metadata.num_rows
        self._chunks: dict[str, list[tuple[int, pq.Statistics | None]]] = {}
        for group in range(metadata.num_row_groups):
            part = metadata.row_group(group)
            for index in range(part.num_columns):
                column = part.column(index)
                self._chunks.setdefault(column.path_in_schema, []).append((part.num_rows, column.statistics))

    def count_nulls(self, name: str) -> int | None:
        """Return how many values of a column are null."""
        total = 0
        for _rows, chunk in self._chunks.get(name, []):
            if chunk is None or not chunk.has_null_count:
                return None
            total += chunk.null_count
        return total

    def is_null(self, name: str) -> bool:
        """Return whether every value of a column that has any is null."""
        chunks = self._chunks.get(name, [])
        return bool(chunks) and self.count_nulls(name) == sum(rows for rows, _chunk in chunks)

    def find_constant(self, name: str) -> int | None:
        """Return the one whole number that every row of a column of such has."""
        bounds = self.find_bounds(name)
        is_one = bounds is not None and bounds[0] == bounds[1] and self.count_nulls(name) == 0
        return bounds[0] if bounds is not None and is_one else None

    def find_bounds(self, name: str) -> tuple[int, int] | None:
        """Return the least and the greatest value of a column of whole numbers."""
        return self._bounds(name, "min", "max")

    def find_raw_bounds(self, name: str) -> tuple[int, int] | None:
        """Return the least and the greatest value of a column that is kept as whole numbers, as it is kept."""
        return self._bounds(name, "min_raw", "max_raw")

    def may_be_blank(self, name: str) -> bool:
        """Return False only where no value is the empty text, which would be the least."""
        chunks = [chunk for _rows, chunk in self._chunks.get(name, [])]
        return any(
            chunk is None or (chunk.has_min_max and not chunk.min_raw) or not _is_known(chunk) for chunk in chunks
        )

    def _bounds(self, name: str, least: str, most: str) -> tuple[int, int] | None:
        found = []
        for _rows, chunk in self._chunks.get(name, []):
            if chunk is None or not _is_known(chunk):
                return None
            if chunk.has_min_max:
                found += [getattr(chunk, least), getattr(chunk, most)]
        are_whole = all(isinstance(bound, int) for bound in found)
        return (min(found), max(found)) if found and are_whole else None


def _is_known(chunk: pq.Statistics) -> bool:
    return chunk.has_min_max or (chunk.has_null_count and not chunk.num_values)
