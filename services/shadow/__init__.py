"""Shadow comparison: paired logs, the states they are reduced to, statistics, the judge, and replay.

Its modules are imported one by one: some bring in pyarrow and DuckDB, which few commands have to pay for.
"""
