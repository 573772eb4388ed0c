"""``pynn lab``: the table of contents, a single experiment, or all of them with a page."""

from __future__ import annotations

import argparse
import io
import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..messages import terminal
from ..saving import files
from . import arguments, models

if TYPE_CHECKING:
    from ..lab import Experiment, Outcome

FOLDER, PAGE = "lab", "index.html"
WIDTH = 88  # characters of an explanation
PACKAGES = {"scipy": "scipy", "search": "optuna"}  # of an extra
DESCRIPTION = """\
The claims of a course on training networks, as experiments. Without a name it
lists them. With a name it runs that experiment over several seeds, prints the
figures and whether each claim holds by the margin that was stated before, and
saves a picture (needs matplotlib: pip install "pynn-cpu[plot]"). With --all it
runs all of them and writes a page with every picture, verdict and explanation.

Results are kept in the folder of -o; what is there already is not run again.
Ctrl-C loses nothing: the same command goes on where it ended.

Most experiments need MNIST or the binary form of CIFAR-10: name their folder
with --data or PYNN_DATA."""
EPILOG = """\
examples:
  pynn lab
  pynn lab optimizer-paths
  pynn lab dropout --explain
  pynn lab dropout --explain --lang ko
  pynn lab init-mnist --seeds 10 --jobs 2 --data ~/data
  pynn lab --all --quick --jobs 2 -o quick
  pynn lab --all --jobs 2"""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "lab", help="run the claims of a course and check them", description=DESCRIPTION, epilog=EPILOG
    )
    parser.set_defaults(run=run)
    parser.add_argument("names", metavar="NAME", nargs="*", help="experiments; without any: the list of them")
    parser.add_argument("--all", action="store_true", help="run all experiments and write the page, index.html")
    parser.add_argument(
        "--explain", action="store_true", help="run nothing: say what to look at, and why it happens, with the formula"
    )
    parser.add_argument(
        "--lang", metavar="LANGUAGE", type=arguments.choice(("en", "ko")), default="en",
        help="of claims, explanations and the page: en or ko (default: en)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="the short form: less data, fewer steps, 3 seeds; verdicts may differ"
    )
    parser.add_argument(
        "--seeds", metavar="N", type=arguments.count,
        help="repetitions, each with another seed; below 3 there is no verdict (default: that of the experiment)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", metavar="N", type=arguments.count, default=1,
        help="seeds at the same time, each in a process with its share of the threads (default: 1)",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="run what is kept in the folder once more")
    arguments.add_data(parser)
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", default=FOLDER,
        help="for the results, pictures, claims.csv and the page (default: %(default)s)",
    )  # fmt: skip
    arguments.add_threads(parser)


def run(options: argparse.Namespace) -> int:
    """List, explain or run; return the exit code."""
    from ..lab import contents  # here: other commands need not load the lab

    if options.all and options.names:
        raise ValueError("--all runs every experiment; leave out the names")
    if not options.all and not options.names:
        if options.explain:
            raise ValueError("--explain needs the name of an experiment, or --all")
        return _list(options.lang)
    chosen = [contents.find(name) for name in (contents.names() if options.all else dict.fromkeys(options.names))]
    if options.explain:
        for experiment in chosen:
            _explain(experiment, options.lang)
        return 0
    return _run(options, chosen)


def _list(language: str) -> int:
    from ..lab import contents, texts, wording
    from ..lab.experiment import read

    width = max(map(len, contents.names()))
    for chapter, names in contents.CHAPTERS.items():
        print(f"{wording.WORDS[language][chapter]}")
        for name in names:
            print(f"  {name:{width}}  {texts.of(read(name), language).title}")
        print()
    print("pynn lab NAME runs an experiment, pynn lab NAME --explain tells what it is about, pynn lab --all runs all.")
    return 0


def _explain(experiment: Experiment, language: str) -> None:
    from ..lab import texts, wording

    words, text = wording.WORDS[language], texts.of(experiment, language)
    print(f"{experiment.name}: {text.title}\n")
    for formula, block in texts.blocks(text.explanation):
        print("    " + block.replace("\n", "\n    ") if formula else _wrapped(block), end="\n\n")
    print(_wrapped(f"{words['setting']}: {text.setting}"), end="\n\n")
    for claim in experiment.claims:
        margin = wording.margin(claim, language)
        print(_wrapped(f"- {text.claims[claim.key]} ({words['margin']}: {margin}; {claim.source})", "  "))
    print()


def _wrapped(text: str, indent: str = "") -> str:
    import textwrap  # here: only explanations need it

    columns = min(WIDTH, terminal.width(sys.stdout) or WIDTH)
    if not text.isascii() and any("가" <= letter <= "힣" for letter in text):
        columns = columns * 5 // 8  # Korean letters take two columns
    return textwrap.fill(text, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _run(options: argparse.Namespace, chosen: list[Experiment]) -> int:
    from ..lab.runner import chosen_seeds, outcomes

    if options.all:
        from .. import plot  # noqa: F401 (the page needs it: say so before the work)
    if options.data is not None:
        os.environ["PYNN_DATA"] = os.path.expanduser(options.data)  # the workers read it too
    models.set_threads(options.threads)
    ready = [experiment for experiment in chosen if _can_run(experiment, skip=options.all)]
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    seeds = {experiment.name: chosen_seeds(experiment, options.seeds, options.quick) for experiment in ready}
    done: dict[str, Outcome] = {}
    with _bar(sum(seeds.values())) as bar:
        running = outcomes(
            ready, folder, seeds=options.seeds, quick=options.quick, jobs=options.jobs, again=options.again,
            done=lambda name, seed: _advance(bar, name),
        )  # fmt: skip
        for outcome in running:
            done[outcome.experiment.name] = outcome
            picture = folder / f"{outcome.experiment.name}.png"
            drawn = _draw(outcome, picture)
            bar.clear()
            print(
                _told(outcome, options.lang) + (f"picture: {terminal.printable(picture)}\n" if drawn else ""),
                flush=True,
            )
            bar.refresh()
    if options.all:
        ordered = [done[experiment.name] for experiment in ready]
        _write_all(options, folder, ordered, [each.name for each in chosen if each not in ready])
    return 0


def _can_run(experiment: Experiment, skip: bool) -> bool:
    """Whether its data set and packages are there; unless it may be skipped, the error that says what is missing."""
    try:
        if experiment.extra is not None and find_spec(PACKAGES[experiment.extra]) is None:
            raise ImportError(
                f'{experiment.name} needs {PACKAGES[experiment.extra]}: pip install "pynn-cpu[{experiment.extra}]"'
            )
        if experiment.data is not None:
            _load(experiment.data)
    except (FileNotFoundError, ImportError):
        if skip:
            return False
        raise
    return True


@cache
def _load(name: str) -> None:
    models.load_dataset(name, None)


def _bar(total: int) -> Any:
    from tqdm import tqdm  # here: other commands do not need it

    return tqdm(
        total=total, unit="run", leave=False, file=terminal.Safe(sys.stderr), ncols=terminal.width(sys.stderr),
        disable=not terminal.is_terminal(sys.stderr),
    )  # fmt: skip


def _advance(bar: Any, name: str) -> None:
    bar.set_description_str(name, refresh=False)
    bar.update()


def _told(outcome: Outcome, language: str) -> str:
    """Title, and each claim with its verdict and figures."""
    from ..lab import texts, wording

    words, text = wording.WORDS[language], texts.of(outcome.experiment, language)
    lines = [f"{outcome.experiment.name}: {text.title}", f"  {wording.ran(outcome, language)}"]
    for verdict in outcome.verdicts:
        figures = f"{wording.measured(verdict, language)}; {words['margin']}: {wording.margin(verdict.claim, language)}"
        lines += [f"  [{wording.verdict(verdict, language)}] {text.claims[verdict.claim.key]}"]
        lines += [f"      {figures}; {wording.seeds(verdict, language)}"]
    return "\n".join(lines) + "\n"


def _draw(outcome: Outcome, path: Path) -> bool:
    """Write the picture; without matplotlib say so, once."""
    from ..lab import drawing

    try:
        files.write_whole(path, drawing.png(outcome))
    except ImportError as cause:
        _say_once(str(cause))
        return False
    return True


@cache
def _say_once(text: str) -> None:
    """A line on stderr, the first time."""
    terminal.say(f"pynn: {text}")


def _write_all(options: argparse.Namespace, folder: Path, done: list[Outcome], missing: list[str]) -> None:
    import csv  # here: other commands do not need it

    from ..lab import page, wording

    rows = page.table(done, options.lang)
    content = io.StringIO()
    writer = csv.DictWriter(content, list(rows[0]) if rows else ["experiment"])
    writer.writeheader()
    writer.writerows(rows)
    files.write_whole(folder / "claims.csv", content.getvalue().encode("utf-8-sig"))
    words = wording.WORDS[options.lang]
    if missing:
        terminal.say(f"pynn: {words['missing'].format(names=', '.join(missing))}")
    holds = sum(verdict.holds for outcome in done for verdict in outcome.verdicts)
    print(words["tally"].format(holds=holds, all=len(rows), experiments=len(done)))
    files.write_whole(
        folder / PAGE, page.html(done, missing, language=options.lang, command=_command(options)).encode()
    )
    print(f"wrote {terminal.printable(folder / PAGE)} and claims.csv")


def _command(options: argparse.Namespace) -> str:
    """The command that makes the page, without what only this machine knows."""
    words = ["pynn lab --all", "--quick" if options.quick else "", f"--seeds {options.seeds}" if options.seeds else ""]
    words += [f"--lang {options.lang}" if options.lang != "en" else ""]
    return " ".join(word for word in words if word)
