#!/usr/bin/env python3
"""Runs an experiment on a Ray cluster.

    cluster/ray_run.py EXPERIMENT.toml -o DIR --address HEAD:6379 --cpus 2

A task is `mera run EXPERIMENT --only HASH...` in a folder of its own on whatever node Ray gives it; its records come
back through Ray and are appended to DIR/records.jsonl, one line a run and none twice, and DIR is summarised at the end.
The experiment and what it names must lie at the same paths on every node, and the command too. When a node dies, Ray
does its tasks again elsewhere; when this driver dies, calling it again does what is left.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ray
from tasks import arguments, listed, share_out


class Killed(Exception):
    """`mera` was ended by a signal, as by the out-of-memory killer: worth another try."""


def do(mera, experiment, hashes, device, threads):
    """The lines of the records of these runs. Runs on a node."""
    with tempfile.TemporaryDirectory(prefix="mera-") as folder:
        command = [mera, "run", experiment, "-o", folder, "--device", device, "--only", *hashes]
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
        ended = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if ended.returncode < 0:
            raise Killed(f"mera was ended by signal {-ended.returncode}")
        if ended.returncode > 0:
            raise RuntimeError(ended.stderr.strip())
        return Path(folder, "records.jsonl").read_text(encoding="utf-8").splitlines()


def keep(file, lines, there):
    """Appends the records whose hash is not there yet, and puts them on the disk."""
    for line in lines:
        hash = json.loads(line)["hash"]
        if hash not in there:
            there.add(hash)
            file.write(line + "\n")
    file.flush()
    os.fsync(file.fileno())


def main():
    parser = arguments(__doc__)
    parser.add_argument("--address", default="auto", help="of the cluster's head (default: the one of this machine)")
    parser.add_argument("--cpus", type=int, default=1, help="cores and threads a task (default: %(default)s)")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs a task, as a share (default: %(default)s)")
    parser.add_argument("--retries", type=int, default=3, help="of a task that was killed (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="of `mera run` (default: %(default)s)")
    asked = parser.parse_args()
    experiment, output = os.path.abspath(asked.experiment), Path(asked.output)

    runs = listed(asked.mera, experiment, output)
    there = {run["hash"] for run in runs if run["done"]}
    tasks = share_out(runs, asked.size)
    print(f"{len(runs)} runs, {len(there)} of them done; {len(tasks)} tasks", flush=True)

    ray.init(address=asked.address, log_to_driver=False)
    on_a_node = ray.remote(do).options(
        num_cpus=asked.cpus, num_gpus=asked.gpus, max_retries=asked.retries, retry_exceptions=[Killed]
    )
    waiting = {on_a_node.remote(asked.mera, experiment, task, asked.device, asked.cpus): task for task in tasks}
    output.mkdir(parents=True, exist_ok=True)
    failed = 0
    with open(output / "records.jsonl", "a", encoding="utf-8") as file:
        while waiting:
            [ready], _ = ray.wait(list(waiting))
            task = waiting.pop(ready)
            try:
                keep(file, ray.get(ready), there)
                print(f"{len(there)} of {len(runs)} runs are done", flush=True)
            except Exception as error:  # one task's failure is no reason to drop the others' work
                failed += len(task)
                print(f"{len(task)} runs failed: {error}", file=sys.stderr, flush=True)
    if there:
        subprocess.run([asked.mera, "summarize", str(output), "-o", str(output)], check=True, stdout=subprocess.DEVNULL)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
