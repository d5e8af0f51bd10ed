"""Power cuts: four writers change everything that can be changed, the power goes, and what was answered has to be there.

Each writer's steps (`guest/workload.bash`) run once without a cut, and the state after each is written down. After a cut, the state of
a writer is the one after the last step that was answered, or the one after the step that was under way; nothing else is right.

- Directed cuts: 0.3 s after a step was answered, what is on the medium then is kept aside, and looked at later: all that was not
  flushed by then is gone.
- Cuts at random moments: qemu is killed, the disk loses all, a random half or nothing of what was not flushed, the machine as it was before
  it saw the disk is resumed, mounts it, looks, and goes on with the steps.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time

from disk import Disk
from machine import Failed, Machine, overlay

WRITERS = 4
# The steps that note an owner or a mode.
NOTES = ("create", "set-mode", "set-chown")
# Those that keep what they replace before they replace it.
KEEPS = ("snapshots:restore", "backups:restore-in-place")
# Those that are right once they are run again: they make something and give it to somebody then, or are several changes.
AGAIN = ("ensure-directory", "import")
DISK_MIB = 448
AFTER_ANSWER = 0.3
ONLY = os.environ.get("VM_ONLY", "")
LONGEST_ROUND = float(os.environ.get("VM_ROUND_SECONDS", "20"))
PREAMBLE = "source /srv/repo/tests/vm/guest/workload.bash; cd /srv/host/srv; exec 2>&1\n"


class Writer:
    """A shell in the machine that runs one step after another."""

    def __init__(self, machine, number):
        self.number = number
        self.shell = subprocess.Popen([*machine.ssh_words(), "bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace")
        self.shell.stdin.write(PREAMBLE)
        self.shell.stdin.flush()

    def run(self, command):
        """The status, and what was printed; nothing where the machine went away before it answered."""
        try:
            self.shell.stdin.write(f"{command} </dev/null\necho @@$?@@\n" if "|" not in command else f"{command}\necho @@$?@@\n")
            self.shell.stdin.flush()
        except (BrokenPipeError, OSError):
            return None, ""
        said = []
        for line in self.shell.stdout:
            if line.startswith("@@"):
                return int(line.strip("@\n")), "".join(said)
            said.append(line)
        return None, "".join(said)

    def end(self):
        self.shell.kill()
        self.shell.wait()


class Bench:
    """The saved machine, and a disk for it."""

    def __init__(self, cache, work, ready, saved, accelerator):
        self.cache, self.work, self.ready, self.saved, self.accelerator = cache, work, ready, saved, accelerator
        self.medium = work / "store.img"

    def resume(self):
        machine = Machine(self.cache, self.work, overlay(self.work / "cuts.qcow2", self.ready), self.accelerator, resume=self.saved)
        try:
            machine.wait_for_shell(180)
            machine.set_clock()
        except Failed:
            machine.kill()
            raise
        return machine

    def new_medium(self):
        self.medium.unlink(missing_ok=True)
        with open(self.medium, "wb") as file:
            file.truncate(DISK_MIB * 2**20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", self.medium], check=True)

    def disk(self):
        address = self.work / "store.sock"
        address.unlink(missing_ok=True)
        return Disk(self.medium, address)


MOUNT = """
for _ in $(seq 100); do [ -b /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_NAME ] && break; sleep 0.1; done
mount /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_NAME WHERE
"""


def mount(machine, where="/srv/host", name="store"):
    machine.run(MOUNT.replace("NAME", name).replace("WHERE", where))


# What a host does after it has come up: its units attach the images. Then what the doctor says, and each image is looked at by e2fsck, on
# a copy: it is mounted.
SETTLE = r"""
cd /; source /srv/repo/tests/vm/guest/workload.bash
# The first command finishes what was noted.
d list-entries >/dev/null || echo "CHANGE"
for image in /srv/host/lib/storage-images/*.img; do
  [ -e "$image" ] || continue
  cp --sparse=always "$image" /tmp/image; e2fsck -p /tmp/image >/dev/null
  e2fsck -fn /tmp/image >/tmp/e2fsck 2>&1 || { echo "FSCK $image"; cat /tmp/e2fsck; }
  rm -f /tmp/image
done
for file in /srv/host/lib/data/storage-registry/entries/*.json; do
  [ -e "$file" ] && grep -q '"size"' "$file" || continue
  d wait "$(basename -s .json "$file")" --timeout 30 || echo "WAIT $file"
done
d trash:empty --expired || echo "TRASH"
# What a change had in the staging place goes with the next change.
d app:set w2-other missing-source >/dev/null || echo "CHANGE"
# A line of docker-options that is still to be migrated is the workload's own.
d doctor --format json | jq -e 'all(.[]; .severity == "note" or .code == "docker-options-line")' >/dev/null || { echo DOCTOR; d doctor; }
"""
RELEASE = r"""
cd /; findmnt -rno TARGET | grep '^/srv/host/' | LC_ALL=C sort -r | while read -r point; do umount "$point"; done
umount /srv/host; for loop in $(losetup -nlO NAME); do losetup -d "$loop"; done; rm -rf /run/dokku-storage/*; ! mountpoint -q /srv/host
"""


def observe(machine):
    """Asks the observer, which runs as long as its machine: starting Python takes software emulation seconds."""
    if getattr(machine, "observer", None) is None:
        words = [*machine.ssh_words(), "python3 -B /srv/repo/tests/vm/guest/observe.py 2>&1"]
        machine.observer = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    machine.observer.stdin.write("\n")
    machine.observer.stdin.flush()
    said = machine.observer.stdout.readline()
    try:
        return json.loads(said)
    except ValueError:
        raise Failed(f"observe.py: {said}{machine.observer.stdout.read()}") from None


def state_of(seen, number):
    return seen["writers"].get(f"w{number}", {}) | ({"host": seen["writers"]["host"]} if number == 2 and "host" in seen["writers"] else {})


def differences(wanted, got, path=""):
    """Where two states differ, a line each."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        lines = []
        for key in sorted(set(wanted) | set(got)):
            lines += differences(wanted.get(key, "nothing"), got.get(key, "nothing"), f"{path}/{key}")
        return lines
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [line for index, pair in enumerate(zip(wanted, got)) for line in differences(*pair, f"{path}[{index}]")]
    return [] if wanted == got else [f"{path}: expected {str(wanted)[:160]}, found {str(got)[:160]}"]


class Plan:
    """The steps of each writer and the states between them."""

    def __init__(self):
        self.steps = [[] for _ in range(WRITERS)]
        self.states = [[] for _ in range(WRITERS)]

    def read_steps(self, machine):
        for number in range(WRITERS):
            said = machine.run(f"source /srv/repo/tests/vm/guest/workload.bash; steps_{number}")
            self.steps[number] = [line.split("\t") for line in said.splitlines()]

    def near(self, answered):
        """The steps of the last writer that were answered last, and next."""
        steps, at = self.steps[-1], answered[-1]
        return [steps[(at - 1) % len(steps)], steps[at % len(steps)]]

    def after(self, number, answered):
        """The states that are right where so many steps were answered, and how far the writer is in each."""
        count = len(self.steps[number])
        return [(at % count, self.states[number][at % count]) for at in (answered, answered + 1)]


def prepare(bench, machine):
    """The host as it is installed goes to the disk, and the disk in its place."""
    mount(machine, "/mnt")
    machine.run("rm -rf /mnt/lost+found; cp -a /srv/host/. /mnt/ && sync -f /mnt && umount /mnt")
    mount(machine)
    machine.run(
        "mkdir -p /srv/host/srv/seed/deep && seq 1 5000 >/srv/host/srv/seed/deep/file && echo seed >/srv/host/srv/seed/a && chmod -R a+rX /srv/host/srv/seed; chown -R dokku:dokku /srv/host/srv/seed;"
        "install -d -o dokku -g dokku /srv/host/home/w2-app /srv/host/home/w2-other /srv/host/home/w2-cloned /srv/host/home/w2-renamed /srv/host/home/w3-app /srv/host/srv/w3-backups; source /srv/repo/tests/vm/guest/workload.bash; d policy:set trash-hours 24;"
        # The repository is made by its first backup.
        "d connectors:create w3-disk --type local --path /srv/host/srv/w3-backups >/dev/null; d create w3-k; d backups:create w3-k --to w3-disk; d destroy w3-k --force --destroy-host-dir --no-trash; sync -f /srv/host"
    )


def learn(bench, tally, plan, copies):
    """One run without a cut: the states, and for each step what was on the medium 0.3 s after its answer."""
    bench.new_medium()
    disk = bench.disk()
    machine = bench.resume()
    try:
        machine.attach(disk.address)
        prepare(bench, machine)
        plan.read_steps(machine)
        for number in range(WRITERS):
            writer = Writer(machine, number)
            plan.states[number], kept = [state_of(observe(machine), number)], []
            for label, command in plan.steps[number]:
                status, said = writer.run(command)
                if status is None:
                    raise Failed("the machine went away")
                time.sleep(AFTER_ANSWER)
                copy = copies / f"{number}-{len(kept)}.img"
                with disk.lock:
                    subprocess.run(["cp", "--sparse=always", "--reflink=auto", bench.medium, copy], check=True)
                state = state_of(observe(machine), number)
                if status != 0 or state == plan.states[number][-1]:
                    tally.note(False, f"step {label} changes something", f"{command}\nstatus {status}\n{said}")
                    continue
                kept.append([label, command])
                plan.states[number].append(state)
            plan.steps[number] = kept
            writer.end()
            if differences(plan.states[number][0], plan.states[number][-1]):
                tally.note(False, f"the steps of writer {number} lead back", "\n".join(differences(plan.states[number][0], plan.states[number][-1])[:20]))
            plan.states[number].pop()
        (bench.work / "plan.json").write_text(json.dumps({"steps": plan.steps, "states": plan.states}, indent=1))
        # The beginning of the cuts at random moments.
        machine.run("sync -f /srv/host; cd /; umount -R /srv/host")
        shutil.copyfile(bench.medium, bench.work / "begin.img")
    finally:
        machine.kill()
        disk.close()


def ending(plan, number, answered, got):
    """What ends a command that was cut off between two of its steps; nothing for one that has no such state."""
    label, command = plan.steps[number][answered % len(plan.steps[number])]
    before = plan.after(number, answered)[0][1]
    if label == "set-chown-recursive":
        # The directory itself is changed last, so doctor says that the owner is not the one that is noted.
        return f"unlike {command.split()[2]} && {command}"
    new = set(got.get("data", {})) - set(before.get("data", {})) - set(got.get("entries", {}))
    if label.startswith("create") and all(list(got["data"][name]) == ["."] for name in new) and new:
        # A new directory can stay behind, empty; the same again takes it (src/store/journal.rs).
        return command
    if label.startswith(NOTES):
        # Doctor says of an owner or a mode that is noted what sets it.
        return f"finish w{number}"
    if label == "backups:create" and got.get("repository") != before.get("repository"):
        # Made, and not noted yet.
        return 'd backups:forget "$(newest w3-a)" --force'
    if label.startswith(AGAIN):
        # It leaves what is there.
        return command
    if label.startswith(KEEPS):
        # A snapshot of what is still there: it is no fault, and the restore has not begun.
        copies = {name: copy for name, copy in got.get("snapshots", {}).items() if name not in before.get("snapshots", {})}
        # What has a size says so.
        data = {name: {path: what for path, what in tree.items() if path != "size"} for name, tree in before.get("data", {}).items()}
        is_same = [copy[1] == data.get(copy[0]["entry"]) for copy in copies.values()]
        if copies and all("@before-restore-" in name for name in copies) and all(is_same):
            return f"forget_copies w{number}"
    return None


def look(machine, plan, answered, under_way):
    """What is wrong on a host after a cut, and how far each writer is."""
    wrong = []
    said = machine.run(SETTLE, check=False)
    if machine.status != 0 or any(line.startswith(("FSCK", "WAIT", "TRASH", "CHANGE", "DOCTOR")) for line in said.splitlines()):
        wrong += ["after the cut:", *said.splitlines()[:60]]
    if any("backups:" in step[0] for step in plan.near(answered)):
        said = machine.run("source /srv/repo/tests/vm/guest/workload.bash; d backups:check w3-disk", check=False)
        wrong += [] if machine.status == 0 else ["the repository:", *said.splitlines()[-10:]]
    seen = observe(machine)
    wrong += [f"left over: {name}" for name in seen["strays"]]
    at = list(answered)
    for number in range(WRITERS):
        got = state_of(seen, number)
        label = plan.steps[number][answered[number] % len(plan.steps[number])][0]
        if under_way[number] and got not in [state for _, state in plan.after(number, answered[number])]:
            end = ending(plan, number, answered[number], got)
            if end:
                said = machine.run(f"source /srv/repo/tests/vm/guest/workload.bash; cd /srv/host/srv; {end}", check=False)
                got = state_of(observe(machine), number)
                if machine.status != 0:
                    wrong += [f"{end}: status {machine.status}: {said}"]
        right = plan.after(number, answered[number])[: 2 if under_way[number] else 1]
        for position, state in right:
            if state == got:
                at[number] = position
                break
        else:
            steps = plan.steps[number]
            last = steps[(answered[number] - 1) % len(steps)]
            wrong += [f"writer {number}: answered: {last[0]}: {last[1]}" + (f"; under way: {steps[answered[number] % len(steps)][1]}" if under_way[number] else "")]
            wrong += differences(right[0][1], got)[:12]
    return wrong, at


def directed(bench, tally, plan, copies):
    """Looks at what was kept aside, one after another, in one machine."""
    machine = bench.resume()
    try:
        for number in range(WRITERS):
            for at, (label, _) in enumerate(plan.steps[number]):
                if ONLY and not re.search(ONLY, label):
                    continue
                copy = copies / f"{number}-{at}.img"
                name = f"cut{number}x{at}"
                machine.tell("blockdev-add", **{"driver": "file", "node-name": name, "filename": str(copy)})
                machine.tell("device_add", driver="scsi-hd", drive=name, id=name, bus="scsi.0", serial=name)
                mount(machine, name=name)
                answered = [0] * WRITERS
                answered[number] = at + 1
                wrong, _ = look(machine, plan, answered, [False] * WRITERS)
                tally.note(not wrong, f"cut 0.3 s after {label}", "\n".join(wrong))
                if wrong:
                    shutil.copyfile(copy, bench.work / f"failed-{name}.img")
                machine.run(RELEASE)
                machine.tell("device_del", id=name)
                machine.run(f"for _ in $(seq 100); do [ -e /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{name} ] || break; sleep 0.1; done")
                machine.tell("blockdev-del", **{"node-name": name})
                copy.unlink()
    finally:
        machine.kill()


def work(machine, plan, positions, seconds, least=0):
    """All writers go on from where they are until the power goes, after so many seconds and answers; what was answered, and who was at work."""
    writers = [Writer(machine, number) for number in range(WRITERS)]
    answered, under_way, failed = list(positions), [False] * WRITERS, []

    def go(writer):
        number, steps = writer.number, plan.steps[writer.number]
        while True:
            label, command = steps[answered[number] % len(steps)]
            under_way[number] = True
            status, said = writer.run(command)
            if status is None:
                return
            under_way[number] = False
            if status != 0:
                failed.append(f"{label}: {command}: status {status}: {said[-800:]}")
                return
            answered[number] += 1

    threads = [threading.Thread(target=go, args=(writer,), daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    while not failed and (time.monotonic() < deadline or (sum(answered) - sum(positions) < least and time.monotonic() < deadline + 300)):
        time.sleep(0.02)
    machine.process.kill()
    machine.process.wait()
    machine.kill()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.end()
    return answered, under_way, failed


def at_random(bench, tally, plan, count, chance, lies=False):
    """Cuts at random moments, one after another on one disk; how many were without a fault."""
    shutil.copyfile(bench.work / "begin.img", bench.medium)
    positions, answered, under_way, good, total = [0] * WRITERS, [0] * WRITERS, [False] * WRITERS, 0, 0
    keep = lost = None
    for number in range(count + 1):
        disk = bench.disk()
        disk.lies = lies
        machine = bench.resume()
        try:
            machine.attach(disk.address)
            mount(machine)
            wrong, positions = look(machine, plan, answered, under_way)
            if number:
                name = f"cut {number} of {count}, keeps {keep}: {total} steps answered so far, {lost} pieces lost"
                if lies:
                    return bool(wrong)
                tally.note(not wrong, name, "\n".join(wrong))
                good += not wrong
                if wrong:
                    shutil.copyfile(bench.work / "cut.img", bench.work / f"failed-{number}.img")
                    machine.kill()
                    disk.power_off("all")
                    shutil.copyfile(bench.work / "begin.img", bench.medium)
                    positions, answered, under_way = [0] * WRITERS, [0] * WRITERS, [False] * WRITERS
                    continue
            if number == count:
                break
            answered, under_way, failed = work(machine, plan, positions, chance.uniform(0.5, LONGEST_ROUND), least=3 if lies else 0)
            if failed:
                tally.note(False, f"round {number + 1}", "\n".join(failed))
            total += sum(answered) - sum(positions)
            keep = "none" if lies else chance.choice(["none", "half", "half", "all"])
            lost = disk.power_off(keep, chance)
            shutil.copyfile(bench.medium, bench.work / "cut.img")
            positions = answered
        finally:
            if machine.process.poll() is None:
                machine.kill()
            disk.close()
    return good


def run(tally, cache, work_directory, ready, saved, accelerator):
    seed = int(os.environ.get("VM_SEED") or random.randrange(10**6))
    count = int(os.environ.get("VM_CUTS") or 8)
    chance = random.Random(seed)
    print(f"-----> Power cuts: one after each step, {count} at random moments; VM_SEED={seed}", flush=True)
    bench, plan = Bench(cache, work_directory, ready, saved, accelerator), Plan()
    copies = work_directory / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir()
    try:
        learn(bench, tally, plan, copies)
        directed(bench, tally, plan, copies)
        noticed = at_random(bench, tally, plan, 1, random.Random(1), lies=True)
        tally.note(noticed, "a disk that answers flushes and does not flush is noticed")
        good = at_random(bench, tally, plan, count, chance)
        print(f"       {good} of {count} cuts at random moments without a fault", flush=True)
    finally:
        shutil.rmtree(copies, ignore_errors=True)
