"""What a case is: a small configuration, and what the monitor should say of it."""
import dataclasses
from typing import Callable

from .datasets import Data, digits

KINDS = ("data", "network", "optimizer", "kernel", "loop")


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    # Why it is a fault, or why it is healthy though it looks otherwise.
    words: str
    # A list of layers, of a width.
    layers: Callable[[int], list]
    data: Data = digits()
    optimizer: str = "{type: sgd, learning_rate: 0.1}"
    steps: int = 200
    batch: int = 32
    loss: str = "categorical_crossentropy"
    # More keys of the section `training`, and those of `monitor`.
    training: str = ""
    monitor: str = ""


@dataclasses.dataclass(frozen=True)
class Expected:
    """A finding that names the fault. What is empty is not asked for."""

    rule: str
    # Words that are right in `cause`.
    causes: tuple = ()
    # Who takes or gives most of the gradient, by the evidence: weight, gate, recurrence, join, or time.
    part: str = ""
    # What must be among the layers or be the subject, by its end or a part of its path.
    layer: str = ""
    # Of a backend: what the operation may be.
    operations: tuple = ()
    # Words of the message.
    says: tuple = ()


@dataclasses.dataclass(frozen=True)
class Fault(Case):
    kind: str = ""
    # One of these is enough.
    expected: tuple = ()
    # Rules that may speak too, each with the reason why that follows from the fault.
    also: dict = dataclasses.field(default_factory=dict)
    # An exhibit of the museum, which is the backend.
    plugin: str = ""


@dataclasses.dataclass(frozen=True)
class Healthy(Case):
    # Built so that a hasty rule would speak; which one.
    tempts: str = ""


def of_kinds(**faults):
    """Lists of faults by kind as one list, in which each says its kind."""
    return [dataclasses.replace(fault, kind=kind) for kind, all in faults.items() for fault in all]
