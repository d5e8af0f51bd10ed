#!/usr/bin/env -S python3 -B
"""Runs the cases that need a machine of their own, and power cuts: run.py PLUGIN [cases|boot|cuts]…

PLUGIN is an assembled plugin directory. The machine is kept in ~/.cache/dokku-storage/vm, its work is in target/vm.
VM_CUTS says how many power cuts there are at random moments, VM_SEED repeats the random choices of a run,
VM_ONLY names by an expression the steps after which there is a directed cut.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cuts
import s3
from machine import Failed, Machine, overlay

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dokku-storage" / "vm"
WORK = REPOSITORY / "target" / "vm"
S3_PROGRAMS = REPOSITORY / "target" / "s3-server-venv" / "bin"
KVM_SECONDS = 30


class Tally:
    """What passed and what failed, a line each, as bats prints it."""

    def __init__(self):
        self.passed = self.failed = 0

    def note(self, good, name, why=""):
        self.passed += good
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {name}", flush=True)
        if why:
            print("".join(f"# {line}\n" for line in why.splitlines()), end="", flush=True)

    def take(self, name, said):
        """Takes over what bats said."""
        lines = said.splitlines()
        seen = 0
        for line in lines:
            if match := re.match(r"(ok|not ok) \d+ (.*)", line):
                seen += 1
                if " # skip" in line:
                    print(f"SKIPPED {match[2]}", flush=True)
                else:
                    self.note(match[1] == "ok", f"{name}: {match[2]}")
            elif line.startswith("#"):
                print(line, flush=True)
        if not seen:
            self.note(False, name, said)


def booted(tally):
    """The machine as it is after a boot: its disk and its memory are made once."""
    disk, memory, kind = CACHE / "booted.qcow2", CACHE / "booted.memory", CACHE / "accelerator"
    if memory.exists() and disk.exists() and kind.exists():
        return disk, memory, kind.read_text()
    tries = [("kvm", KVM_SECONDS)] if os.access("/dev/kvm", os.W_OK) else []
    # An emulated kernel can panic while it boots: once more, then.
    tries += [("tcg", 600)] * 2
    for number, (accelerator, seconds) in enumerate(tries):
        print(f"-----> Booting the machine ({accelerator})", flush=True)
        machine = Machine(CACHE, WORK, overlay(disk, CACHE / "disk.img"), accelerator)
        started = time.monotonic()
        try:
            machine.wait_for_shell(seconds)
            machine.run("systemctl is-system-running --wait || systemctl --failed; docker version; sync")
            print(f"       up after {time.monotonic() - started:.0f} s", flush=True)
            machine.save(memory)
            kind.write_text(accelerator)
            return disk, memory, accelerator
        except Failed as error:
            machine.kill()
            memory.unlink(missing_ok=True)
            if number == len(tries) - 1:
                raise
            print(f"       not with {accelerator}: {str(error).splitlines()[0]}", flush=True)
    raise Failed("no accelerator")


def provisioned(plugin, below, memory, accelerator):
    """The machine with the plugin installed, saved, for this run."""
    ready, saved = WORK / "ready.qcow2", WORK / "ready.memory"
    mark, made_by = WORK / "ready", fingerprint(plugin, memory)
    if mark.exists() and mark.read_text() == made_by and ready.exists() and saved.exists():
        return ready, saved
    mark.unlink(missing_ok=True)
    machine = Machine(CACHE, WORK, overlay(ready, below), accelerator, resume=memory)
    try:
        machine.wait_for_shell(120)
        machine.set_clock()
        send(machine, plugin)
        print(indented(machine.run("/srv/repo/tests/vm/guest/provision")), flush=True)
        machine.run("sync; fstrim / 2>/dev/null; true")
        machine.save(saved)
        mark.write_text(made_by)
    finally:
        machine.kill()
    return ready, saved


def fingerprint(plugin, memory):
    parts = [Path(plugin, "dokku-storage").read_bytes(), str(memory.stat().st_mtime_ns).encode()]
    parts += [path.read_bytes() for folder in ("tests/bats", "tests/vm/guest") for path in sorted((REPOSITORY / folder).rglob("*")) if path.is_file()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def send(machine, plugin):
    tests = subprocess.run(["tar", "-C", REPOSITORY, "--exclude=__pycache__", "-c", "tests/bats", "tests/vm/guest"], stdout=subprocess.PIPE, check=True)
    machine.run("mkdir -p /srv/repo && tar -C /srv/repo --no-same-owner -x", stdin=tests.stdout)
    files = subprocess.run(["tar", "-C", plugin, "-c", "."], stdout=subprocess.PIPE, check=True)
    machine.run("mkdir -p /srv/plugin && tar -C /srv/plugin --no-same-owner -x", stdin=files.stdout)


def indented(text):
    return "".join(f"       {line}\n" for line in text.splitlines()).rstrip("\n")


def run_suite(machine, tally, name, **settings):
    words = " ".join(f"{key}={value}" for key, value in settings.items())
    said = machine.run(f"cd /srv/repo/tests/vm/guest && {words} BATS_TEST_TIMEOUT=900 bats --tap --timing {name}.bats 2>&1", check=False, timeout=3600)
    tally.take(name, said)


def main():
    plugin, *wanted = sys.argv[1:]
    started = time.monotonic()
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([HERE / "build.sh", CACHE], check=True)
    tally = Tally()
    below, memory, accelerator = booted(tally)
    ready, saved = provisioned(plugin, below, memory, accelerator)
    print(f"-----> The machine is ready after {time.monotonic() - started:.0f} s", flush=True)
    if not wanted or "cases" in wanted or "boot" in wanted:
        cases(tally, wanted, ready, saved, accelerator)
    if not wanted or "cuts" in wanted:
        cuts.run(tally, CACHE, WORK, ready, saved, accelerator)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


def cases(tally, wanted, ready, saved, accelerator):
    disk = overlay(WORK / "cases.qcow2", ready)
    machine = Machine(CACHE, WORK, disk, accelerator, resume=saved)
    try:
        machine.wait_for_shell(120)
        machine.set_clock()
        if not wanted or "cases" in wanted:
            for suite in sorted(path.stem for path in (HERE / "guest").glob("*.bats") if not path.stem.startswith("boot")):
                run_suite(machine, tally, suite)
        if not wanted or "boot" in wanted:
            machine = boot_cases(machine, tally, disk, accelerator)
    finally:
        machine.kill()
        disk.unlink(missing_ok=True)


def is_up(machine):
    """Waits for a machine that boots; whether it is there once everything has started."""
    try:
        machine.wait_for_shell()
        machine.run("systemctl is-system-running --wait", check=False)
        machine.run("docker version")
        return True
    except Failed:
        return False


def boot_cases(machine, tally, disk, accelerator):
    """Starts the machine again while the bucket's server is away."""
    server = s3.Server(S3_PROGRAMS, WORK / "s3.log")
    try:
        run_suite(machine, tally, "boot_before", S3_ENDPOINT=f"http://10.0.2.2:{server.port}")
        server.shut()
        machine.run("systemctl reboot", check=False)
        machine.process.wait(300)
        machine.kill()
        machine = Machine(CACHE, WORK, disk, accelerator)
        if not is_up(machine):
            # An emulated kernel can panic while it boots: once more, then.
            machine.kill()
            machine = Machine(CACHE, WORK, disk, accelerator)
            is_up(machine)
        run_suite(machine, tally, "boot_away")
        server.open()
        run_suite(machine, tally, "boot_back")
    finally:
        server.end()
    return machine


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        print(f" !     {error}", file=sys.stderr)
        sys.exit(1)
