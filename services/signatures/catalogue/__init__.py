"""The catalogue of errors about signatures: those of the registry patterns (seed 001) and MLflow 3.17.2's own messages.

Entries of one area stand in one module; within the whole, the more telling come first, because MLflow wraps one message
in another.
"""

from services.signatures.catalogue.calling import CALLING
from services.signatures.catalogue.entry import Entry
from services.signatures.catalogue.logging_models import LOGGING
from services.signatures.catalogue.nested import NESTED
from services.signatures.catalogue.params import PARAMS
from services.signatures.catalogue.scoring_server import SCORING
from services.signatures.catalogue.tensors import TENSORS

CATALOGUE: tuple[Entry, ...] = (*LOGGING, *PARAMS, *TENSORS, *SCORING, *NESTED, *CALLING)

__all__ = ["CATALOGUE", "Entry"]
