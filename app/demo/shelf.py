"""What stands on the demo's shelf: each product with its data and the recipes of its versions."""

from __future__ import annotations

from app.demo import fraud, materials, others, products
from app.demo.workshop import Place

FRAUD = Place(product=products.FRAUD, material=materials.make_transactions, recipes=fraud.RECIPES)
FORECASTS = (
    Place(product=products.CHURN, material=materials.make_subscribers, recipes=others.CHURN),
    Place(product=products.DEMAND, material=materials.make_sales, recipes=others.DEMAND),
)
OTHERS = (
    Place(product=products.ANOMALIES, material=materials.make_cells, recipes=others.ANOMALIES),
    Place(product=products.DIGITS, material=materials.make_digits, recipes=others.DIGITS),
    Place(product=products.RANKER, material=materials.make_searches, recipes=others.RANKER),
    Place(product=products.DIABETES, material=materials.make_patients, recipes=others.DIABETES),
)
