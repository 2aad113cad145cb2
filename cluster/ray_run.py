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
from contextlib import contextmanager
from pathlib import Path

from tasks import arguments, listed, plms, share_out


def do(mera, experiment, hashes, folders, device, threads):
    """The lines of the records of these runs, what `mera` said on standard error, and how it ended: 0, 1 where runs
    are missing, or the signal that killed it, below 0. Runs on a node."""
    with tempfile.TemporaryDirectory(prefix="mera-") as folder:
        command = [mera, "run", experiment, "-o", folder, *plms(folders), "--device", device, "--only", *hashes]
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
        ended = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        records = Path(folder, "records.jsonl")
        text = records.read_text(encoding="utf-8") if records.exists() else ""
        # A line without its end was cut off while it was written.
        whole = text[: text.rfind("\n") + 1]
        return whole.splitlines(), ended.stderr.strip(), ended.returncode


def mend(path):
    """Makes a file of records ready to be written on: a last line that was cut off goes, one that only lacks its end
    gets it. Makes the folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        file.seek(0)
        text = file.read()
        last = text.rfind(b"\n") + 1
        try:
            json.loads(text[last:])
            file.write(b"\n")
        except ValueError:
            file.truncate(last)


def keep(path, lines, there):
    """Appends the records whose hash is not there yet; when they are on the disk, their hashes are."""
    new = {hash: line for line in lines if (hash := json.loads(line)["hash"]) not in there}
    with open(path, "a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in new.values())
        file.flush()
        os.fsync(file.fileno())
    there.update(new)


@contextmanager
def written(path):
    """Ends this program with one line where the disk says no: there is no sense in computing what can't be kept."""
    try:
        yield
    except OSError as error:
        sys.exit(f"error: {path}: {error.strerror}; what it has stays, and the same call does what is left")


def gather(asked, tasks, there, count):
    """Has the tasks done and their records kept; gives how many runs have failed."""
    # Here, so that all else works without Ray.
    import ray

    experiment, path = os.path.abspath(asked.experiment), Path(asked.output, "records.jsonl")
    ray.init(address=asked.address, log_to_driver=False)
    on_a_node = ray.remote(do).options(num_cpus=asked.cpus, num_gpus=asked.gpus, max_retries=asked.retries)
    waiting = {}

    def submit(task, retries):
        waiting[on_a_node.remote(asked.mera, experiment, task, asked.plm, asked.device, asked.cpus)] = task, retries

    for task in tasks:
        submit(task, asked.retries)
    failed = 0
    while waiting:
        [ready], _ = ray.wait(list(waiting))
        task, retries = waiting.pop(ready)
        try:
            lines, said, code = ray.get(ready)
        except ray.exceptions.RayError as error:  # one task's failure is no reason to drop the others' work
            lines, said, code = [], str(getattr(error, "cause", None) or error), 1
        with written(path):
            keep(path, lines, there)
        print(f"{len(there)} of {count} runs are done", flush=True)
        missing = [hash for hash in task if hash not in there]
        if missing and code < 0 and retries > 0:
            # As by the out-of-memory killer: worth another try.
            submit(missing, retries - 1)
        elif missing:
            failed += len(missing)
            said = f"mera was ended by signal {-code}" if code < 0 else said
            print(f"{len(missing)} of {len(task)} runs of a task failed: {said}", file=sys.stderr, flush=True)
    return failed


def summarize(mera, output, hashes):
    """Writes the table of these runs, and of no others: records of other settings may lie beside them. Whether it
    worked."""
    lines = (output / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    with tempfile.TemporaryDirectory(prefix="mera-") as folder:
        own = [line for line in lines if json.loads(line)["hash"] in hashes]
        Path(folder, "records.jsonl").write_text("".join(own), encoding="utf-8")
        command = [mera, "summarize", folder, "-o", str(output)]
        return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


def main():
    parser = arguments(__doc__)
    parser.add_argument("--address", default="auto", help="of the cluster's head (default: the one of this machine)")
    parser.add_argument("--cpus", type=int, default=1, help="cores and threads a task (default: %(default)s)")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs a task, as a share (default: %(default)s)")
    parser.add_argument("--retries", type=int, default=3, help="of a task that was killed (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="of `mera run` (default: %(default)s)")
    asked = parser.parse_args()

    output = Path(asked.output)
    # On a node the working folder is another one.
    asked.plm = [os.path.abspath(folder) for folder in asked.plm]
    runs = listed(asked.mera, os.path.abspath(asked.experiment), output, asked.plm)
    there = {run["hash"] for run in runs if run["done"]}
    tasks = share_out(runs, asked.size)
    print(f"{len(runs)} runs, {len(there)} of them done; {len(tasks)} tasks", flush=True)
    with written(output):
        mend(output / "records.jsonl")
    failed = gather(asked, tasks, there, len(runs))
    summarized = not there or summarize(asked.mera, output, {run["hash"] for run in runs})
    sys.exit(1 if failed or not summarized else 0)


if __name__ == "__main__":
    main()
