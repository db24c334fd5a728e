"""How the versions of the other products came to be."""

from __future__ import annotations

from typing import Any

from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

import gatehouse
from app.demo.workshop import Recipe

_CODE = "app/demo/others.py"


def _plans(model: Any) -> Pipeline:
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["plan"]), remainder=StandardScaler()), model)


def _shops(model: Any) -> Pipeline:
    shops = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(
        make_column_transformer((shops, ["shop_id", "day_of_week", "month"]), remainder="passthrough"), model
    )


def _boosted_shops() -> Pipeline:
    means = TargetEncoder(target_type="continuous", cv=KFold(shuffle=True, random_state=0))
    shops = make_column_transformer((means, ["shop_id"]), remainder="passthrough")
    model = HistGradientBoostingRegressor(max_iter=120, loss="poisson", max_leaf_nodes=12, random_state=0)
    return make_pipeline(shops, model)


def _recipe(
    author: str,
    description: str,
    make: Any,
    *,
    reason: str,
    improvements: str,
    risks: str,
    parents: tuple[int, ...] = (),
    business_context: str = "",
    deployment_plan: str = "",
) -> Recipe:
    decision = gatehouse.DecisionContext(
        reason=reason,
        improvements=improvements,
        risks=risks,
        business_context=business_context,
        deployment_plan=deployment_plan,
    )
    return Recipe(author=author, description=description, make=make, decision=decision, code=_CODE, parents=parents)


CHURN = (
    _recipe(
        "lena",
        "Logistic model of tenure, spend and last login",
        lambda: _plans(LogisticRegression()),
        reason="The retention team called subscribers in the order of the alphabet.",
        improvements="Any order that puts those first who leave.",
        risks="A subscriber who is called too often leaves for that.",
        business_context="Sixty calls a day.",
        deployment_plan="All at once: a list a night.",
    ),
    _recipe(
        "ravi",
        "Random forest on the same columns",
        lambda: _plans(RandomForestClassifier(25, min_samples_leaf=20, random_state=0)),
        parents=(1,),
        reason="To see whether the columns hold interactions.",
        improvements="A higher auc than version 1, if they do.",
        risks="None that version 1 has not.",
    ),
    _recipe(
        "lena",
        "Boosting, with small trees against overfitting",
        lambda: _plans(
            HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, learning_rate=0.08, random_state=0)
        ),
        parents=(1, 2),
        reason="Version 2 was no better than version 1; boosting is the last try before new columns.",
        improvements="A slightly higher auc, and better calibration.",
        risks="Harder to explain on the telephone than version 1.",
        business_context="The team asks for a probability that can be read as one.",
        deployment_plan="All at once: a list a night.",
    ),
)
DEMAND = (
    _recipe(
        "jonas",
        "Ridge regression with a column a shop, weekday and month",
        lambda: _shops(Ridge()),
        reason="Orders were last week's sales.",
        improvements="A lower rmse than last week's sales.",
        risks="Promotions multiply, and a linear model adds.",
        business_context="What is not sold is thrown away after three days.",
        deployment_plan="Five shops for a week, then all.",
    ),
    _recipe(
        "jonas",
        "Random forest",
        lambda: _shops(RandomForestRegressor(20, min_samples_leaf=3, random_state=0)),
        parents=(1,),
        reason="Promotions and weekends interact.",
        improvements="A lower rmse than version 1.",
        risks="Never forecasts more than it has seen.",
    ),
    _recipe(
        "ravi",
        "Poisson boosting with the mean of each shop",
        _boosted_shops,
        parents=(1, 2),
        reason="Units are counts, and shops differ by a factor.",
        improvements="Two thirds of the rmse of version 1.",
        risks="A new shop is forecast as the mean of all.",
        business_context="The board asks for half the waste.",
        deployment_plan="Five shops for a week, then all.",
    ),
)
ANOMALIES = (
    _recipe(
        "lena",
        "Isolation forest of 40 trees",
        lambda: IsolationForest(n_estimators=40, random_state=0),
        reason="Samples were looked at in the order they came in.",
        improvements="Most of the unusual samples among the first.",
        risks="A rare benign kind looks unusual.",
    ),
    _recipe(
        "lena",
        "Eighty trees, and eight in a hundred called unusual",
        lambda: IsolationForest(n_estimators=80, max_samples=200, contamination=0.08, random_state=0),
        parents=(1,),
        reason="The laboratory can look at eight samples in a hundred.",
        improvements="Fewer benign samples called unusual.",
        risks="An anomaly just below the cut waits longer.",
    ),
)
DIGITS = (
    _recipe(
        "jonas",
        "Logistic model of the pixels",
        lambda: LogisticRegression(C=0.5, max_iter=300),
        reason="Amounts were typed by hand.",
        improvements="Nine of ten digits read.",
        risks="A misread digit is a wrong amount: a person checks every form.",
    ),
    _recipe(
        "ravi",
        "Random forest of the pixels",
        lambda: RandomForestClassifier(40, random_state=0),
        parents=(1,),
        reason="Strokes are not linear in the pixels.",
        improvements="A higher accuracy than version 1.",
        risks="A larger artifact.",
    ),
)
RANKER = (
    _recipe(
        "jonas",
        "Linear score of text, title, clicks and age",
        Ridge,
        reason="Results were ordered by the text score alone.",
        improvements="A higher ndcg than the text score.",
        risks="Old documents sink, whatever they are worth.",
    ),
    _recipe(
        "ravi",
        "Boosting: clicks count only where the text matches",
        lambda: HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=8, random_state=0),
        parents=(1,),
        reason="A document that many read is not the answer to every question.",
        improvements="One point of ndcg over version 1.",
        risks="Slower: check the latency.",
        deployment_plan="Shadow, then all traffic.",
    ),
)
DIABETES = (
    _recipe(
        "lena",
        "Ridge regression on the examination",
        lambda: make_pipeline(StandardScaler(), Ridge(alpha=3.0)),
        reason="To plan whom to examine again.",
        improvements="Half the spread explained.",
        risks="300 patients are few.",
    ),
)
