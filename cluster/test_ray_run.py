"""Tests of what `ray_run` does beside Ray: `python3 -m unittest discover cluster`."""

import errno
import json
import os
import resource
import signal
import tempfile
import unittest
from pathlib import Path

from ray_run import do, keep, mend, summarize, written


def record(hash):
    return json.dumps({"hash": hash, "accuracy": 0.5})


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "results" / "records.jsonl"

    def lines(self):
        return self.path.read_text(encoding="utf-8").splitlines()


class OnANode(Folder):
    def mera(self, ending):
        """A command that writes one record into the folder after `-o`, and then ends so."""
        path = self.folder / "mera"
        path.write_text(f"#!/bin/sh\necho '{record('a')}' >\"$4/records.jsonl\"\n{ending}\n")
        path.chmod(0o755)
        return str(path)

    def test_records_come_back_though_a_run_failed(self):
        mera = self.mera("echo 'error: b: it can not be done' >&2; exit 1")
        done = do(mera, "films.toml", ["a", "b"], [], "cpu", 1)
        self.assertEqual(done, ([record("a")], "error: b: it can not be done", 1))

    def test_records_come_back_though_the_command_was_killed_in_a_line(self):
        mera = self.mera('printf \'{"hash": "b", "ac\' >>"$4/records.jsonl"; kill -9 $$')
        self.assertEqual(do(mera, "films.toml", ["a", "b"], [], "cpu", 1), ([record("a")], "", -9))

    def test_no_record_is_no_line(self):
        mera = self.mera('rm "$4/records.jsonl"; exit 1')
        self.assertEqual(do(mera, "films.toml", ["a"], [], "cpu", 1), ([], "", 1))


    def test_the_command_is_told_where_the_plms_lie(self):
        mera = self.mera('echo "$@" >&2')
        _, said, _ = do(mera, "films.toml", ["a"], ["/models/l6", "/models/l3"], "cuda", 1)
        self.assertIn("--plm /models/l6 --plm /models/l3 --device cuda --only a", said)


class OfTheDriver(Folder):
    def test_the_table_is_of_the_listed_runs_alone(self):
        mend(self.path)
        keep(self.path, [record("a"), record("of other settings"), record("b")], set())
        mera = self.folder / "mera"
        mera.write_text('#!/bin/sh\ncp "$2/records.jsonl" "$4/summed.jsonl"\n')
        mera.chmod(0o755)
        self.assertTrue(summarize(str(mera), self.path.parent, {"a", "b"}))
        summed = (self.path.parent / "summed.jsonl").read_text(encoding="utf-8").splitlines()
        self.assertEqual(summed, [record("a"), record("b")])

    def test_a_file_may_be_cut_anywhere(self):
        whole = (record("a") + "\n" + record("b") + "\n").encode()
        first, all_but_end = len(record("a")), len(whole) - 1
        for cut in range(len(whole) + 1):
            self.path.parent.mkdir(exist_ok=True)
            self.path.write_bytes(whole[:cut])
            mend(self.path)
            keep(self.path, [record("c")], set())
            kept = [record("a")] * (cut >= first) + [record("b")] * (cut >= all_but_end)
            self.assertEqual(self.lines(), [*kept, record("c")], f"cut at {cut}")

    def test_no_record_is_kept_twice(self):
        there = {"a"}
        mend(self.path)
        keep(self.path, [record("a"), record("b"), record("b")], there)
        keep(self.path, [record("b"), record("c")], there)
        self.assertEqual(self.lines(), [record("b"), record("c")])
        self.assertEqual(there, {"a", "b", "c"})

    def test_a_full_disk_ends_the_driver_with_one_line(self):
        there = set()
        mend(self.path)
        # No file may grow beyond this: the disk is full in the middle of the second record.
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGXFSZ, ignored)
        keep(self.path, [record("a")], there)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(record("a")) + 10, limits[1]))
        try:
            with self.assertRaises(SystemExit) as ended, written(self.path):
                keep(self.path, [record("b")], there)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertIn(f"{self.path}: {os.strerror(errno.EFBIG)}", str(ended.exception))
        self.assertEqual(there, {"a"})
        mend(self.path)
        self.assertEqual(self.lines(), [record("a")])


if __name__ == "__main__":
    unittest.main()
