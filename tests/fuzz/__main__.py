"""`python tests/fuzz COMMAND [options]`: one campaign, from a seed; the same command does the same again.

Each command is a module of this folder with `add_arguments(parser)` and `run(options)`, which returns the number of
findings; the exit code is 1 where there are any, and 2 where the options ask for what cannot be done.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # tests/: this package and the table of operations

COMMANDS = {
    "kernels": "mutated calls of all kernels, from the table of operations",
    "readers": "damaged and crafted files for everything that reads one",
    "kills": "runs that are killed at random moments and go on",
    "soak": "very many steps, fits and models in one process",
    "bits": "all kernels and models with other numbers of threads",
}


def main() -> int:
    from fuzz import folders
    from fuzz import options as types

    parser = argparse.ArgumentParser(prog="python tests/fuzz", description="Campaigns that try to break pynn.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"Try {what}.")
        if sys.argv[1:2] == [name]:
            command.add_argument("--seed", type=types.natural, default=0, help="of the random numbers (default 0)")
            try:
                importlib.import_module(f"fuzz.{name}").add_arguments(command)
            except ModuleNotFoundError as error:
                command.error(f"it needs the module {error.name}, which is not installed here")
    options = parser.parse_args()
    try:
        with folders.ending_in_order():
            findings: int = importlib.import_module(f"fuzz.{options.command}").run(options)
    except types.Unable as error:
        parser.error(f"{options.command}: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
