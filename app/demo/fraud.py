"""`fraud_detector`: ten versions, from a first baseline to one that waits for approval, and four that went wrong.

Versions answer with the probabilities of both classes, since the decision policy and the shadow comparison read the
probability of fraud; the two that a contributor handed over answer with a class, as scikit-learn does by itself.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)

import gatehouse
from app.demo.materials import OPTIONAL
from app.demo.transactions import FEATURES
from app.demo.workshop import Recipe, Signature

_CODE = "app/demo/fraud.py"


def _five(features: pd.DataFrame) -> pd.DataFrame:
    return features[list(FEATURES)]


def _renamed(features: pd.DataFrame) -> pd.DataFrame:
    """Return the features as the new payments platform names and types them."""
    return _five(features).rename(columns={"country": "country_code"}).astype({"hour": "float64"})


def _first_baseline() -> Pipeline:
    numbers = make_column_transformer((StandardScaler(), ["amount", "hour", "day_of_week"]))
    return make_pipeline(numbers, LogisticRegression())


def _encoded_baseline() -> Pipeline:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["country", "hour"]),
        (PowerTransformer(), ["amount"]),
        (StandardScaler(), ["day_of_week"]),
    )
    return make_pipeline(columns, LogisticRegression())


def _forest() -> Pipeline:
    model = RandomForestClassifier(30, max_depth=9, min_samples_leaf=10, random_state=0)
    return make_pipeline(_ordinal("country"), model)


def _boosted(country: str = "country") -> Pipeline:
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, random_state=0)
    return make_pipeline(_ordinal(country), model)


def _boosted_with_merchants(*, trees: int = 80, leaves: int = 8, learning_rate: float = 0.06) -> Pipeline:
    rates = TargetEncoder(cv=StratifiedKFold(shuffle=True, random_state=0))
    columns = make_column_transformer((rates, ["merchant_id", "country"]), remainder="passthrough")
    model = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, learning_rate=learning_rate, l2_regularization=1.0, random_state=0
    )
    return make_pipeline(columns, model)


def _boosted_with_age() -> Pipeline:
    return make_pipeline(_with_age(), *_boosted_with_merchants().named_steps.values())


def _averaged() -> Pipeline:
    age = make_pipeline(
        PowerTransformer(),
        SimpleImputer(strategy="constant", fill_value=-4),
        KBinsDiscretizer(14, encode="onehot-dense", strategy="uniform"),
    )
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["merchant_id", "hour", "country", "day_of_week"]),
        (PowerTransformer(), ["amount"]),
        (age, [OPTIONAL]),
    )
    linear = make_pipeline(columns, LogisticRegression(max_iter=500))
    voters = [("boosted", _boosted_with_merchants()), ("linear", linear)]
    return make_pipeline(_with_age(), VotingClassifier(voters, voting="soft"))


def _with_age() -> FunctionTransformer:
    """Return a step that takes requests without the optional column as requests that do not know it."""
    return FunctionTransformer(pd.DataFrame.reindex, kw_args={"columns": [*FEATURES, OPTIONAL]})


def _ordinal(country: str) -> Any:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_column_transformer((encoder, [country]), remainder="passthrough")


RECIPES = (
    Recipe(
        author="maya",
        description="Logistic baseline on amount and time",
        make=_first_baseline,
        prepare=_five,
        code=_CODE,
        decision=gatehouse.DecisionContext(
            reason="A first model to measure every later one against.",
            improvements="None to compare with: until now payments were reviewed by fixed rules.",
            risks="Sees neither country nor merchant, so it finds little.",
            business_context="The review team can look at two payments in a hundred.",
            deployment_plan="Staging only.",
        ),
    ),
    Recipe(
        author="maya",
        description="Logistic model with country, hour of day and a normalised amount",
        make=_encoded_baseline,
        prepare=_five,
        parents=(1,),
        code=_CODE,
        decision=gatehouse.DecisionContext(
            reason="Night and country were not visible to the baseline.",
            improvements="A higher auc than version 1.",
            risks="Scores by country may differ: compare the shares of payments called fraud.",
            business_context="First version meant for production.",
            deployment_plan="Shadow beside the fixed rules, then all traffic.",
        ),
    ),
    Recipe(
        author="ravi",
        description="Random forest on the same five columns",
        make=_forest,
        prepare=_five,
        parents=(2,),
        code=_CODE,
        decision=gatehouse.DecisionContext(
            reason="Interactions of amount and time are real, and a linear model cannot see them.",
            improvements="A higher auc than version 2.",
            risks="A larger artifact, and slower to load.",
            business_context="Tried beside boosting, see version 4.",
            deployment_plan="Shadow only.",
        ),
    ),
    Recipe(
        author="ravi",
        description="Gradient boosting on the same five columns",
        make=_boosted,
        prepare=_five,
        parents=(2,),
        baseline=2,
        code=_CODE,
        decision=gatehouse.DecisionContext(
            reason="Boosting finds the interactions with fewer trees than the forest of version 3.",
            improvements="A higher auc than version 3 at a smaller size.",
            risks="Reads the number of a merchant as an amount, which means little.",
            business_context="Losses rise in the last quarter.",
            deployment_plan="1 % for a day, then 10 %, 50 % and all.",
        ),
    ),
    Recipe(
        author="maya",
        description="Boosting with the fraud rate of each merchant",
        make=_boosted_with_merchants,
        prepare=_five,
        parents=(4,),
        baseline=4,
        code=_CODE,
        params={"merchant_encoding": "target"},
        decision=gatehouse.DecisionContext(
            reason="A few merchants account for most of the fraud.",
            improvements="Two points of auc over version 4.",
            risks="A merchant that turns bad is noticed at the next training only.",
            business_context="Asked for by the disputes team.",
            deployment_plan="1 % for a day, then 10 %, 50 % and all.",
        ),
    ),
    Recipe(
        author="maya",
        description="Adds the age of the device, where it is known",
        make=_boosted_with_age,
        parents=(5,),
        baseline=5,
        code=_CODE,
        params={"merchant_encoding": "target", "optional_columns": OPTIONAL},
        decision=gatehouse.DecisionContext(
            reason="Stolen cards are tried on devices that nobody has seen before.",
            improvements="Three points of auc over version 5; callers that do not send the column keep working.",
            risks="At a guest check-out the age is missing.",
            business_context="The payments platform sends the column since this month.",
            deployment_plan="Shadow, then 1 %, 10 %, 50 % and all.",
        ),
    ),
    Recipe(
        author="ravi",
        description="Reads the columns as the new payments platform names them",
        make=lambda: _boosted("country_code"),
        prepare=_renamed,
        parents=(4,),
        code=_CODE,
        decision=gatehouse.DecisionContext(
            reason="The new platform sends country_code, and the hour as a fraction.",
            improvements="None: the same model on other names.",
            risks="Callers of the old platform break.",
            business_context="Both platforms run side by side until the move is done.",
            deployment_plan="Only together with the move of the platform.",
        ),
    ),
    Recipe(
        author="sam",
        description="Handed over from a notebook",
        make=lambda: _boosted_with_merchants(trees=40),
        prepare=_five,
        parents=(5,),
        signature=Signature.NONE,
        decision=gatehouse.DecisionContext(reason="Half the trees, for a smaller model."),
    ),
    Recipe(
        author="sam",
        description="Handed over again, with the inputs described",
        make=lambda: _boosted_with_merchants(trees=40, leaves=16),
        prepare=_five,
        parents=(5,),
        signature=Signature.INPUTS,
        decision=gatehouse.DecisionContext(reason="Half the trees with more leaves each."),
    ),
    Recipe(
        author="maya",
        description="Averages the boosting of version 6 with a logistic model of merchants and devices",
        make=_averaged,
        parents=(2, 6),
        baseline=6,
        code=_CODE,
        params={"merchant_encoding": "target and one column each", "optional_columns": OPTIONAL},
        decision=gatehouse.DecisionContext(
            reason="The logistic model of version 2 errs on other payments than boosting does.",
            improvements="A higher auc than version 6, with calibration as good.",
            risks="Two models to load and to call: check the latency. Fewer payments reach one half.",
            business_context="The last release before the holidays.",
            deployment_plan="Shadow, then 1 %, 10 %, 50 % and all.",
        ),
    ),
)
