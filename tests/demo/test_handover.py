"""Half a picture by one model, the rest by another with another latent space: the prompt and the layout survive."""

import pytest

from tests.demo.classifier import Classifier, trained
from tests.demo.handover import measure


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return trained()


def check(classifier: Classifier, count: int, fractions: tuple[float, ...], least: float) -> None:
    for figures in measure(count, classifier, fractions):
        shares = f"time {figures.time:.0%}, land {figures.land:.0%}"
        layout = f"correlation {figures.correlation:.2f}, unrelated {figures.unrelated:.2f}"
        print(f"{' to '.join(figures.chain)} at {figures.fraction}: {shares}, {layout}")
        assert figures.time >= least
        assert figures.land >= least
        assert figures.correlation > figures.unrelated + 0.1


@pytest.mark.slow
def test_handed_over_pictures_show_the_prompt_in_the_givers_layout(classifier: Classifier) -> None:
    check(classifier, 4, (0.5,), 0.75)


@pytest.mark.slow
def test_the_same_on_a_hundred_pictures(classifier: Classifier) -> None:
    """Thinned above for CI; in full on demand."""
    check(classifier, 100, (0.3, 0.5, 0.7), 0.85)
