"""What the demo's people did: one model in production after another, a rehearsed rollback, and what still waits."""

from __future__ import annotations

from app.demo.chronicle import Chronicle
from app.demo.documents import fraud_policy, without_traffic
from app.demo.materials import HELD_OUT_SALES, HELD_OUT_SUBSCRIBERS, LIVE_TRANSACTIONS, SOME_TRANSACTIONS
from services.registry.values import Stage


def write_rules(chronicle: Chronicle) -> None:
    """Let people bring a gate policy and a decision policy into force."""
    gates = chronicle.propose(
        "ravi",
        "gate_policy",
        "default",
        without_traffic(chronicle.shipped("gate_policy")),
        reason="Nothing serves from here yet, so gates on traffic could never pass.",
    )
    gates = chronicle.grant(
        gates, {"cora": "Agreed until there is traffic. The offline gates and two approvals for tier 1 stay."}
    )
    policy = chronicle.propose(
        "maya",
        "decision_policy",
        "fraud_detector",
        fraud_policy(version="2.1", author="maya", block=0.7),
        reason="The policy that the review team has used so far, as a document.",
    )
    policy = chronicle.grant(
        policy, {"cora": "The thresholds are those of the last review, and nobody is blocked more than thrice."}
    )
    chronicle.tell(gates, policy)


def govern_fraud(chronicle: Chronicle) -> None:
    """Walk `fraud_detector` through its releases."""
    second = chronicle.ask(
        "maya", "fraud_detector/2", Stage.STAGING, reason="First version that sees country and hour."
    )
    second = chronicle.carry_out(second, {"meera": "Better than the baseline, and countries are treated alike."})
    third = chronicle.ask("ravi", "fraud_detector/3", Stage.STAGING, reason="A forest sees interactions.")
    third = chronicle.refuse(third, "jun", "Version 4 is better, and smaller.")
    fourth = chronicle.ask(
        "maya",
        "fraud_detector/4",
        Stage.PRODUCTION,
        reason="The rules that block payments today find less than this model.",
        risks="Reads the number of a merchant as an amount.",
        improvements="An auc above that of version 2.",
        context="Losses rise in the last quarter.",
        plan="1 % for a day, then 10 %, 50 % and all.",
    )
    chronicle.try_to_approve(fourth, "maya", "It is ready.")
    fourth = chronicle.carry_out(
        fourth,
        {"meera": "Calibrated, and fair by country.", "jun": "The signature is the one that callers use already."},
    )
    chronicle.tell(second, third, fourth)
    fifth = chronicle.ask(
        "maya",
        "fraud_detector/5",
        Stage.PRODUCTION,
        reason="The fraud rate of a merchant says more than its number.",
        risks="A merchant that turns bad is noticed at the next training only.",
        improvements="Two points of auc.",
        context="Asked for by the disputes team.",
        plan="1 % for a day, then 10 %, 50 % and all.",
    )
    fifth = chronicle.carry_out(
        fifth, {"jun": "A clear gain, and the same inputs.", "meera": "More fraud is found at the same precision."}
    )
    chronicle.go_back("jun", "fraud_detector", reason="Rehearsal before the holidays: going back has to work at night.")
    chronicle.tell(fifth)
    seventh = chronicle.ask(
        "ravi", "fraud_detector/7", Stage.STAGING, reason="The new payments platform names its columns otherwise."
    )
    chronicle.remark(seventh, "meera", "Rightly blocked: callers of today send country. Could both be optional?")
    eighth = chronicle.ask("ravi", "fraud_detector/8", Stage.STAGING, reason="Sam asks whether half the trees do.")
    sixth = chronicle.ask(
        "maya",
        "fraud_detector/6",
        Stage.PRODUCTION,
        reason="Devices that nobody has seen before are the strongest sign of fraud.",
        risks="At a guest check-out the age is missing.",
        improvements="Three points of auc over version 5.",
        context="The payments platform sends the column since this month.",
        plan="Shadow beside version 4, then 1 %, 10 %, 50 % and all.",
    )
    sixth = chronicle.grant(sixth, {"jun": "The new column is optional, so nobody has to change anything."})
    tenth = chronicle.ask(
        "maya", "fraud_detector/10", Stage.STAGING, reason="The average of two models errs less than either."
    )
    chronicle.remark(tenth, "jun", "Two models to load: what does the latency look like in staging?")
    chronicle.answer(
        "maya",
        "fraud_detector/6",
        {
            "reproducible_training": "Seeds are fixed: https://wiki.example.com/fraud/training",
            "alerting": "On-call of the team: https://wiki.example.com/fraud/alerts",
            "runbook": "https://wiki.example.com/fraud/runbook",
            "incident_response": "https://wiki.example.com/fraud/incidents",
        },
    )
    chronicle.deprecate(
        "ravi",
        "fraud_detector/1",
        replacement="fraud_detector/4",
        days=60,
        reason="Nobody should begin with it any more.",
    )
    chronicle.tell(sixth, seventh, eighth, tenth)
    chronicle.replay("maya", "fraud_detector", 4, 6, LIVE_TRANSACTIONS, label="is_fraud", by="country")
    # Whether it is fast enough is known only where each request is timed.
    chronicle.replay(
        *("maya", "fraud_detector", 4, 6, SOME_TRANSACTIONS),
        label="is_fraud",
        by="country",
        is_timed=True,
        is_apart=True,
    )
    # Asked after the replay, whose pairs are the traffic of its what-if.
    lenient = chronicle.propose(
        "maya",
        "decision_policy",
        "fraud_detector",
        fraud_policy(version="2.2", author="maya", block=0.75),
        reason="Blocks too many payments that turn out to be good: see the what-if before you approve.",
    )
    chronicle.tell(lenient)


def govern_forecasts(chronicle: Chronicle) -> None:
    """Walk `churn_predictor` and `demand_forecaster` through theirs."""
    churn = chronicle.ask(
        "ravi",
        "churn_predictor/1",
        Stage.PRODUCTION,
        reason="Any order is better than the alphabet.",
        improvements="Those who leave are called first.",
        plan="A list a night.",
    )
    churn = chronicle.carry_out(churn, {"meera": "Regions are treated alike, and it is simple enough to explain."})
    better = chronicle.ask("ravi", "churn_predictor/3", Stage.STAGING, reason="Probabilities that can be read as such.")
    better = chronicle.send_back(better, "jun", "The auc is that of version 1: what is gained in calibration?")
    worse = chronicle.ask("ravi", "demand_forecaster/2", Stage.STAGING, reason="Does a forest see weekends?")
    worse = chronicle.refuse(worse, "meera", "Its error is larger than that of version 1.")
    chronicle.replay(
        *("ravi", "demand_forecaster", 3, 2, HELD_OUT_SALES),
        label="units",
        by="day_of_week",
        threshold=None,
        is_apart=True,
    )
    demand = chronicle.ask(
        "ravi",
        "demand_forecaster/3",
        Stage.PRODUCTION,
        reason="The error is a third smaller than that of version 1.",
        risks="A new shop is forecast as the mean of all.",
        plan="Five shops for a week, then all.",
    )
    demand = chronicle.carry_out(demand, {"jun": "The gain is large, and people check the orders for a week."})
    chronicle.tell(churn, better, worse, demand)


def govern_others(chronicle: Chronicle) -> None:
    """Ask for the other products to be tested."""
    for reference, reason in {
        "anomaly_detector/2": "The laboratory can look at eight samples in a hundred.",
        "digit_reader/2": "Reads more digits right than version 1.",
    }.items():
        change = chronicle.ask("ravi", reference, Stage.STAGING, reason=reason)
        chronicle.tell(chronicle.carry_out(change, {"meera": "Fit for testing."}))
    chronicle.tell(
        chronicle.ask("ravi", "search_ranker/2", Stage.STAGING, reason="Clicks count where the text matches.")
    )


def ramp_candidates(chronicle: Chronicle) -> None:
    """Let one candidate run in shadow, with the pairs of a night, and another be given up."""
    chronicle.ramp("meera", "churn_predictor", 3, reason="Does calibration change whom the team calls?")
    # Requests without a time are of now, so they count for the step that has just begun.
    chronicle.replay(
        "ravi", "churn_predictor", 1, 3, HELD_OUT_SUBSCRIBERS, label="has_left", by="region", is_timed=True
    )
    chronicle.ramp("jun", "demand_forecaster", 2, reason="Ravi thinks that it is better at weekends.")
    chronicle.abort_ramp("jun", "demand_forecaster", reason="It is not: see why its promotion was rejected.")
