"""How a failure of the model is told."""

MAX_SENTENCE = 500


def describe(error: BaseException) -> str:
    """Return an error of the model as one bounded sentence."""
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text}"[:MAX_SENTENCE]
