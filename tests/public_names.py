"""The public names of pynn with their parameters, one a line: what project/public_names.txt holds.

python tests/public_names.py > tests/project/public_names.txt    writes it anew, after a change that is meant
"""

from __future__ import annotations

import inspect
import types
from typing import Any

import pynn

METHODS = {  # what users call, and what classes of their own override
    "Callback": "on_epoch_begin on_epoch_end on_step_begin on_step_end on_train_begin on_train_end restore state",
    "Ensemble": "evaluate fit load of_snapshots outputs predict predict_proba predict_std save",
    "History": "epochs plot",
    "Layer": "add_parameter add_state backward build forward freeze get_weights named set_weights unfreeze",
    "Loss": "backward correct forward predict probabilities targets",
    "Optimizer": "learning_rate step update",
    "PolyakAverage": "applied average swap",
    "Schedule": "at plot",
    "Sequential": "backward build classes dtype evaluate fit forward freeze get_weights gradients"
    " input_gradient layer layers parameter_count parameters partial_fit predict predict_proba predict_std replace_head"
    " save seed set_weights summary tensors to_bytes train_step unfreeze",
    "Trainer": "batches epoch run step stop",
    "Transformer": "fit fit_transform inverse_transform transform",
}
WITH_EXTRAS = ("lab", "search", "sklearn")  # what `from pynn import *` leaves out, since it needs more than pynn
ABSENT = inspect.Parameter.empty


def parameters(thing: Any) -> str:
    """The parameters with their defaults, without annotations: "(rate, form='inverted')"; "" where there are none."""
    known = inspect.isroutine(thing) or (inspect.isclass(thing) and not issubclass(thing, BaseException))
    if not known or isinstance(thing, types.GenericAlias):
        return ""
    signature = inspect.signature(thing)
    plain = [each.replace(annotation=ABSENT) for name, each in signature.parameters.items() if name != "self"]
    return str(signature.replace(parameters=plain, return_annotation=ABSENT))


def lines() -> list[str]:
    found = []
    for name in [*pynn.__all__, *WITH_EXTRAS]:
        thing = getattr(pynn, name)
        found.append(f"pynn.{name}{parameters(thing)}")
        if isinstance(thing, types.ModuleType):
            for inner in getattr(thing, "__all__", ()):
                item = getattr(thing, inner)
                again = inner in pynn.__all__ and item is getattr(pynn, inner)
                found.append(f"pynn.{name}.{inner}" + ("" if again else parameters(item)))
        for method in METHODS.get(name, "").split():
            given = parameters(getattr(thing, method)) if hasattr(thing, method) else " of an object"
            found.append(f"pynn.{name}.{method}{given}")
    return sorted(found)


if __name__ == "__main__":
    print(*lines(), sep="\n")
