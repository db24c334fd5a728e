"""Shadow comparison: paired logs, the states they are reduced to, statistics, the judge, and replay."""

from services.shadow.compare import compare
from services.shadow.comparison import Comparison
from services.shadow.figures import Figures
from services.shadow.judge import Check, Judgement, Outcome, Verdict, judge
from services.shadow.places import get_log_folder, get_replay_folder
from services.shadow.policy import ShadowPolicy
from services.shadow.policy_file import read_policy_file
from services.shadow.service import ShadowLogs
from services.shadow.writer import PairedLogWriter

__all__ = [
    "Check",
    "Comparison",
    "Figures",
    "Judgement",
    "Outcome",
    "PairedLogWriter",
    "ShadowLogs",
    "ShadowPolicy",
    "Verdict",
    "compare",
    "get_log_folder",
    "get_replay_folder",
    "judge",
    "read_policy_file",
]
