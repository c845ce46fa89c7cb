# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
"""What dpdkvdpa-bench starts: where it is, and how it is ended again."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time

PROGRAM = "dpdkvdpa-bench"

# Of a start, an answer, an end, in seconds.
PATIENCE = 30

class BenchError(Exception):
    """The bench can't go on; the message says why, for the user."""

# What is where, and what is on the screen
# ----------------------------------------

class Places:
    """Programs and files, as utilities/dpdkvdpa-paths.sh has them."""

    NAMES = ("DPDKVDPA_VSWITCHD", "DPDKVDPA_NICSIMD", "DPDKVDPA_DRIVER",
             "DPDKVDPA_SCHEMA", "DPDKVDPA_PATH", "DPDKVDPA_BENCH_GUEST",
             "DPDKVDPA_BENCH_NIC", "DPDKVDPA_BENCH_VF")

    def __init__(self):
        # In the source tree as well as when installed.
        share = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        self.lib = os.path.join(share, "dpdkvdpa-lib.sh")
        script = """
            . "$1" || exit
            dir=$2
            if [ -f "$2/../configure.ac" ]; then
                dir=${DPDKVDPA_BUILDDIR:-$(dpdkvdpa_builddir)}/utilities
            fi
            . "$dir/dpdkvdpa-paths.sh" || exit
            shift 2
            for name; do
                printf '%s=%s\\0' "$name" "${!name}"
            done
            """
        result = subprocess.run(
            ["bash", "-c", script, PROGRAM, self.lib, share, *self.NAMES],
            stdout=subprocess.PIPE, text=True, check=False)
        if result.returncode:
            raise BenchError("the build was not found: make it, and set "
                             "DPDKVDPA_BUILDDIR to its directory")
        values = dict(line.split("=", 1)
                      for line in result.stdout.split("\0") if line)
        self.vswitchd = values["DPDKVDPA_VSWITCHD"]
        self.nicsimd = values["DPDKVDPA_NICSIMD"]
        self.driver = values["DPDKVDPA_DRIVER"]
        self.schema = values["DPDKVDPA_SCHEMA"]
        self.bench_vf = values["DPDKVDPA_BENCH_VF"]
        self.bench_nic = values["DPDKVDPA_BENCH_NIC"]
        self.guest = values["DPDKVDPA_BENCH_GUEST"]
        os.environ["PATH"] = ":".join([values["DPDKVDPA_PATH"],
                                       os.environ["PATH"],
                                       "/usr/sbin", "/sbin"])

    def hugepages(self, command):
        """Runs the shell 'command' with the library of the other scripts,
        whose functions know the huge pages that this process has."""
        result = subprocess.run(
            ["bash", "-c", '. "$1"; ' + command, PROGRAM, self.lib,
             str(os.getpid())], check=False)
        return result.returncode == 0


class Screen:
    """Progress, on stderr."""

    def __init__(self):
        self.start = time.monotonic()
        self.last = -math.inf

    def _elapsed(self):
        return time.monotonic() - self.start

    def step(self, text):
        """Says what begins now."""
        self.clear()
        print("[%4d s] %s" % (self._elapsed(), text), file=sys.stderr)
        self.last = self._elapsed()

    def progress(self, text):
        """Shows how far it is: in place on a terminal, else a line now and
        then."""
        if sys.stderr.isatty():
            print("\r\033[K         ... " + text, end="", file=sys.stderr,
                  flush=True)
        elif self._elapsed() >= self.last + 10:
            self.step("... " + text)

    def clear(self):
        """Removes the progress from a terminal."""
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)

# Processes
# ---------

class Process:
    """A child that ends with us, whatever happens, with its output in a log
    file of the bench's directory."""

    def __init__(self, bench, name, command, **kwargs):
        self.name = name
        self.log = os.path.join(bench.dir, name + ".log")
        with open(self.log, "ab") as log:
            kwargs.setdefault("stdout", log)
            kwargs.setdefault("stderr", log)
            kwargs.setdefault("stdin", subprocess.DEVNULL)
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command], **kwargs)
        self.pid = self.popen.pid
        bench.on_exit(self.kill)

    def check(self):
        """Raises an error if it has ended."""
        status = self.popen.poll()
        if status is not None:
            raise BenchError("%s has ended (status %d):\n%s"
                             % (self.name, status, self.last_words()))

    def last_words(self):
        with open(self.log, errors="replace", encoding="utf-8") as log:
            return "".join(log.readlines()[-12:])

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        """Ends it, and waits for that."""
        if self.popen.poll() is None:
            self.popen.terminate()
            self.resume()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for stream in self.popen.stdin, self.popen.stdout:
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def find_thread(self, prefixes):
        """Returns the id of its thread whose name begins with one of the
        'prefixes', or None."""
        tasks = "/proc/%d/task" % self.pid
        with contextlib.suppress(OSError):
            for tid in os.listdir(tasks):
                with open("%s/%s/comm" % (tasks, tid),
                          encoding="utf-8") as comm:
                    if comm.read().startswith(prefixes):
                        return int(tid)
        return None


class Generator(Process):
    """A helper program that answers each command line with a JSON object."""

    def __init__(self, bench, name, command):
        command += ["--core", str(bench.opt.cores[0])]
        if bench.opt.no_huge:
            command.append("--no-huge")
        if bench.opt.quick:
            command.append("--lenient")
        super().__init__(bench, name, command, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        self.started = self._answer("start")

    def _answer(self, command):
        line = self.popen.stdout.readline()
        if not line:
            self.popen.wait()
            self.check()
        answer = json.loads(line)
        if "error" in answer:
            raise BenchError("%s, %s: %s" % (self.name, command.split()[0],
                                             answer["error"]))
        return answer

    def ask(self, command):
        """Has 'command' done, and returns what came of it."""
        self.check()
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        return self._answer(command)


def run(command, **kwargs):
    """Runs 'command', and returns what it printed."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=True,
                              timeout=PATIENCE, **kwargs).stdout
    except OSError as e:
        raise BenchError("%s: %s" % (command[0], e.strerror)) from e
    except subprocess.TimeoutExpired as e:
        raise BenchError("%s: no answer in %d seconds"
                         % (" ".join(command), PATIENCE)) from e
    except subprocess.CalledProcessError as e:
        raise BenchError("%s: %s" % (" ".join(command),
                                     e.stderr.strip())) from e


def wait_until(what, condition):
    """Waits until 'condition' returns something true, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise BenchError("%s: not in %d seconds" % (what, PATIENCE))
        time.sleep(0.05)
