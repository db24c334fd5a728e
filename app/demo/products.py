"""The products of the demo: what each model is for, who answers for it, and the words of its card."""

from __future__ import annotations

import gatehouse
from app.demo.workshop import Product
from services.lineage.vocabulary import Task

_DRAWN = "Trained on generated data."


def _tags(
    team: str, owner: str, risk: str, *, sla: str, pii: str = "false", compliance: str = "none"
) -> dict[str, str]:
    return {
        "team": team,
        "owner": owner,
        "risk": risk,
        "pii": pii,
        "compliance": compliance,
        "sla": sla,
        "data_residency": "eu_only",
    }


FRAUD = Product(
    name="fraud_detector",
    description="Says which card payments are fraud, before they are carried out.",
    task=Task.CLASSIFICATION,
    probabilities=True,
    tags={
        "team": "fraud",
        "owner": "@maya",
        "risk": "tier1",
        "pii": "false",
        "compliance": "pci_dss",
        "sla": "p99_50ms",
        "data_residency": "us_only",
    },
    card=gatehouse.CardText(
        purpose="Score every card payment, so that the decision policy can block it, have it reviewed or let it pass.",
        intended_use="Payments by card, when they are asked for. A person sees every payment that is reviewed.",
        out_of_scope="Transfers between accounts, and decisions about customers rather than payments.",
        limitations="Merchants that the training data has not seen count as average. Trained on generated payments.",
        ethics="Countries are a feature: the share of payments called fraud is compared between them at every release.",
        contact="@maya",
    ),
)
CHURN = Product(
    name="churn_predictor",
    description="Says which subscribers are about to leave.",
    task=Task.CLASSIFICATION,
    probabilities=True,
    tags=_tags("retention", "@lena", "tier2", sla="p99_200ms", pii="true", compliance="gdpr"),
    card=gatehouse.CardText(
        purpose="Choose whom the retention team calls this week.",
        intended_use="Once a night over all subscribers.",
        out_of_scope="Prices and offers for single persons.",
        limitations=_DRAWN,
        ethics="The plan is a feature, and stands for income in part. Regions are compared at every release.",
        contact="@lena",
    ),
)
DEMAND = Product(
    name="demand_forecaster",
    description="Says how many units a shop will sell on a day.",
    task=Task.REGRESSION,
    tags=_tags("supply", "@jonas", "tier2", sla="p99_500ms"),
    card=gatehouse.CardText(
        purpose="Order what will be sold, a week ahead.",
        intended_use="Shops that have been open for at least a year.",
        out_of_scope="New shops, and days on which a shop is closed.",
        limitations=f"Knows no public holidays. {_DRAWN}",
        ethics="No personal data.",
        contact="@jonas",
    ),
)
ANOMALIES = Product(
    name="anomaly_detector",
    description="Finds measurements of cells that are unlike healthy ones: -1 for an anomaly, 1 for normal.",
    task=Task.ANOMALY_DETECTION,
    tags=_tags("diagnostics", "@lena", "tier3", sla="p99_500ms"),
    card=gatehouse.CardText(
        purpose="Sort samples so that unusual ones are looked at first.",
        intended_use="A second pair of eyes: never a diagnosis.",
        out_of_scope="Any decision about a patient.",
        limitations="Trained on 250 benign samples of the Wisconsin breast cancer data.",
        ethics="A sample that is missed is looked at later, not never.",
        contact="@lena",
    ),
)
DIGITS = Product(
    name="digit_reader",
    description="Reads a handwritten digit from 8 by 8 pixels.",
    task=Task.CLASSIFICATION,
    tags=_tags("documents", "@jonas", "tier3", sla="p99_100ms"),
    card=gatehouse.CardText(
        purpose="Read the amounts on paper forms.",
        intended_use="Digits written apart, scanned upright.",
        out_of_scope="Letters, and digits that touch.",
        limitations="Trained on 1,200 digits by 30 writers.",
        ethics="No personal data.",
        contact="@jonas",
    ),
)
RANKER = Product(
    name="search_ranker",
    description="Orders the documents that a search found.",
    task=Task.RANKING,
    tags=_tags("search", "@jonas", "tier2", sla="p99_50ms"),
    card=gatehouse.CardText(
        purpose="Put what people look for on top.",
        intended_use="The first hundred documents that the text index found.",
        out_of_scope="Advertisements.",
        limitations=f"Clicks favour what was on top before. {_DRAWN}",
        ethics="No personal data: clicks are counted, not followed.",
        contact="@jonas",
    ),
)
DIABETES = Product(
    name="clinic.research.diabetes_progression",
    description="Says how far the disease has gone one year after the first examination.",
    task=Task.REGRESSION,
    tags=_tags("research", "@lena", "tier3", sla="none", pii="true", compliance="hipaa"),
    card=gatehouse.CardText(
        purpose="Plan a study: who should be examined again, and when.",
        intended_use="Research.",
        out_of_scope="Treatment.",
        limitations="Trained on 300 patients.",
        ethics="The sex of a patient is a feature.",
        contact="@lena",
    ),
)
