#!/usr/bin/env python3
"""Shares the runs of an experiment out into tasks, one a line: the hashes for `mera run EXPERIMENT --only`.

    cluster/tasks.py EXPERIMENT.toml -o DIR > tasks.txt

Runs of one episode (target, k, seed) stay together, in the experiment's order, as long as a task has room: a method
that chooses among single adapters then finds them done. What DIR has records of is left out. Needs no Ray.
"""

import argparse
import json
import subprocess
import sys
from itertools import groupby


def plms(folders):
    """The arguments by which `mera run` is told where the PLMs lie."""
    return [word for folder in folders for word in ("--plm", folder)]


def listed(mera, experiment, output, folders=()):
    """Every run of the experiment as `mera run --list --json` names it, with `done` where `output` has its record."""
    command = [mera, "run", str(experiment), "-o", str(output), *plms(folders), "--list", "--json"]
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE)
    except OSError as error:
        sys.exit(f"error: {mera}: {error.strerror}")
    if ended.returncode:
        # It has said why.
        sys.exit(ended.returncode)
    return json.loads(ended.stdout)


def share_out(runs, size):
    """Lists of at most `size` hashes; each run that is not done stands in exactly one."""
    tasks = []
    for _, episode in groupby(runs, key=lambda run: (run["target"], run["k"], run["seed"])):
        left = [run["hash"] for run in episode if not run["done"]]
        tasks += [left[start : start + size] for start in range(0, len(left), size)]
    return tasks


def arguments(description):
    """What every script here is called with."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", help="the experiment file")
    parser.add_argument("-o", "--output", required=True, help="folder of the records")
    parser.add_argument("--mera", default="mera", help="the command (default: %(default)s)")
    parser.add_argument(
        "--plm", action="append", default=[], metavar="DIR",
        help="where the PLM lies, if not where the experiment says; once for each that it names, in its order",
    )
    parser.add_argument("--size", type=int, default=16, help="runs a task at most (default: %(default)s)")
    return parser


def main():
    asked = arguments(__doc__).parse_args()
    for task in share_out(listed(asked.mera, asked.experiment, asked.output, asked.plm), asked.size):
        print(*task)


if __name__ == "__main__":
    main()
