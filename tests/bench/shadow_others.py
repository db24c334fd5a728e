"""What other tools do of a comparison, in environments of their own: `python shadow_others.py TOOL LOG`."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable

import pandas as pd

Tool = Callable[[pd.DataFrame, pd.DataFrame], object]
COLUMNS = [f"{side}_{name}" for side in ("champion", "candidate") for name in ("score", "decision")]


def main() -> None:
    """Print the CPU seconds from reading the log to the figures."""
    warnings.simplefilter("ignore")
    tool = {"Evidently": import_evidently, "NannyML": import_nannyml}[sys.argv[1]]()
    started = time.process_time()
    pairs = pd.read_parquet(sys.argv[2], columns=COLUMNS)
    _agreement = (pairs.champion_decision == pairs.candidate_decision).mean()
    champion, candidate = (pairs[[f"{side}_score"]].set_axis(["score"], axis=1) for side in ("champion", "candidate"))
    tool(champion, candidate)
    print(json.dumps({"cpu_s": time.process_time() - started}))


def import_evidently() -> Tool:
    """Return Evidently's KS, PSI and Jensen-Shannon."""
    from evidently import Report  # type: ignore[import-not-found]
    from evidently.metrics import ValueDrift  # type: ignore[import-not-found]

    methods = ("ks", "psi", "jensenshannon")
    report = Report([ValueDrift(column="score", method=method) for method in methods])
    return lambda champion, candidate: report.run(current_data=candidate, reference_data=champion).dict()


def import_nannyml() -> Tool:
    """Return NannyML's KS and Jensen-Shannon; it has no PSI."""
    import nannyml  # type: ignore[import-not-found]

    def run(champion: pd.DataFrame, candidate: pd.DataFrame) -> object:
        methods = ["kolmogorov_smirnov", "jensen_shannon"]
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=["score"], continuous_methods=methods, chunk_number=1
        )
        return calculator.fit(champion).calculate(candidate).to_df()

    return run


if __name__ == "__main__":
    main()
