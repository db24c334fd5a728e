import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gates.evidence import AbTest, Arm
from services.gates.trial import always_valid_p


def trial(samples: int, control: float, treatment: float, variance: float = 1.0) -> AbTest:
    return AbTest(
        metric="m",
        control=Arm(samples=samples, mean=control, variance=variance),
        treatment=Arm(samples=samples, mean=treatment, variance=variance),
    )


def test_the_mixture_agrees_with_its_integral() -> None:
    # E = integral of the likelihood ratio over a normal prior on the effect, done by hand on a grid.
    samples, difference, planned = 400, 0.2, 1000
    rho = (-2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))) / (planned / 4)
    effective, variance_of_one = samples / 2, 1.0
    effects = np.linspace(-6, 6, 400_001) * math.sqrt(rho)
    density = np.exp(-(effects**2) / (2 * rho)) / math.sqrt(2 * math.pi * rho)
    ratio = np.exp(effective * (effects * difference - effects**2 / 2) / variance_of_one)
    e_value = float(np.trapezoid(density * ratio, effects))
    assert always_valid_p(trial(samples, 0.0, difference), planned_samples=planned) == pytest.approx(
        1 / e_value, rel=1e-6
    )


@given(st.integers(2, 10_000), st.floats(-3, 3), st.floats(0.01, 10), st.integers(2, 100_000))
def test_a_p_value_is_a_probability_and_knows_no_side(
    samples: int, shift: float, variance: float, planned: int
) -> None:
    one = always_valid_p(trial(samples, 0.0, shift, variance), planned_samples=planned)
    assert 0 <= one <= 1
    assert one == always_valid_p(trial(samples, shift, 0.0, variance), planned_samples=planned)


def test_looking_often_raises_no_more_false_alarms_than_it_may() -> None:
    rng = np.random.default_rng(3)
    alarms, trials = 0, 200
    for _ in range(trials):
        a, b = rng.normal(size=(2, 2000))
        for samples in range(25, 2001, 25):
            seen_a, seen_b = a[:samples], b[:samples]
            test = AbTest(
                metric="m",
                control=Arm(samples=samples, mean=float(seen_a.mean()), variance=float(seen_a.var(ddof=1))),
                treatment=Arm(samples=samples, mean=float(seen_b.mean()), variance=float(seen_b.var(ddof=1))),
            )
            if always_valid_p(test, planned_samples=2000) <= 0.05:
                alarms += 1
                break
    assert alarms / trials <= 0.05
