"""What is on the host, by its files, in JSON: a line for each line that is read.

For each writer (its names begin with `w0-`, `w1-`, …) its entries, mounts, snapshots and trash with all data; times and numbers made of
them are left out. Beside that, what is there without belonging to anything.
"""

import hashlib
import json
import os
import re
import stat
import sys
from pathlib import Path

LIB = Path("/srv/host/lib")
ROOT, REGISTRY, CONFIG, IMAGES = LIB / "data/storage", LIB / "data/storage-registry", LIB / "config/storage", LIB / "storage-images"
OPTIONS = LIB / "config/docker-options"
# Where the backups of the workload go.
REPOSITORY = Path("/srv/host/srv/w3-backups")
# That an app was migrated stays noted.
MIGRATED = "legacy-mounts-migrated"
# When something was made, and what is named after that.
TIMES = {"when", "made", "created", "at", "taken"}
NUMBERS = re.compile(r"\d{6,}[0-9TZ-]*(-[0-9a-f]+)*")


def plain(name):
    return NUMBERS.sub("N", name)


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in sorted(value.items()) if key not in TIMES}
    if isinstance(value, list):
        return [without_times(part) for part in value]
    return plain(value) if isinstance(value, str) else value


def read(path):
    """A file of the store: JSON, lines of JSON, or text."""
    text = path.read_text()
    try:
        return without_times(json.loads(text))
    except ValueError:
        pass
    try:
        return [without_times(json.loads(line)) for line in text.splitlines()]
    except ValueError:
        return plain(text)


def describe(path):
    found = os.lstat(path)
    words = [f"{stat.S_IFMT(found.st_mode):o}", f"{stat.S_IMODE(found.st_mode):04o}", f"{found.st_uid}:{found.st_gid}"]
    if stat.S_ISREG(found.st_mode):
        words += [str(found.st_size), hashlib.sha256(path.read_bytes()).hexdigest()[:12]]
    if stat.S_ISLNK(found.st_mode):
        words.append(os.readlink(path))
    return " ".join(words)


def tree(top):
    """What a directory or file holds; what `put` had not put in place yet does not count."""
    if not os.path.lexists(top):
        return "missing"
    seen = {".": describe(top)}
    if top.is_dir() and not top.is_symlink():
        for directory, directories, files in os.walk(top):
            directories[:] = [name for name in directories if not name.endswith(".tmp")]
            for name in directories + files:
                path = Path(directory, name)
                if name != "lost+found" and not name.endswith(".tmp"):
                    seen[str(path.relative_to(top))] = describe(path)
        if os.path.ismount(top):
            # Of a file system of its own also how large it is, roughly.
            found = os.statvfs(top)
            seen["size"] = f"{round(found.f_blocks * found.f_frsize / 2**23) * 8} MiB"
    return seen


def listing(directory):
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def main():
    writers, strays = {}, []

    def put(owner, kind, name, value):
        writer = owner.split("-")[0]
        writers.setdefault(writer, {}).setdefault(kind, {})[plain(name)] = value

    known = {".lock", ".work", ".change", ".clock", ".plain-1", ".storage-root", "entries", "connectors", "snapshots", "trash", "migrations", "policy.json", "backups", ".backup-cache", ".backup-processes"}
    strays += [f"registry/{name}" for name in listing(REGISTRY) if name not in known]
    strays += [f"registry/.change/{name}" for name in listing(REGISTRY / ".change")]
    if (REGISTRY / "policy.json").exists():
        put("host", "policy", "policy", read(REGISTRY / "policy.json"))
    mine = set()
    for name in listing(REGISTRY / "entries"):
        if name.startswith(".") or not name.endswith(".json"):
            strays.append(f"entries/{name}")
            continue
        entry = json.loads((REGISTRY / "entries" / name).read_text())
        source = entry.get("host_path", "")
        mine.add(entry["name"])
        put(entry["name"], "entries", entry["name"], read(REGISTRY / "entries" / name))
        if source.startswith("/"):
            put(entry["name"], "data", entry["name"], tree(Path(source)))
    for name in listing(REGISTRY / "connectors"):
        (strays.append(f"connectors/{name}") if name.startswith(".") else put(name, "connectors", name, read(REGISTRY / "connectors" / name)))
    backups = REGISTRY / "backups"
    for name in listing(backups / "schedules"):
        (strays.append(f"schedules/{name}") if name.startswith(".") else put(name.removeprefix("entry-"), "schedules", name, read(backups / "schedules" / name)))
    for name in listing(backups / "entries"):
        if name.startswith("."):
            strays.append(f"backups/{name}")
            continue
        # How the last one went; not what its repository calls it, nor that there is going to be one.
        said = sorted(set(read(backups / "entries" / name)) - {"begun", "entry", "since"})
        said and put(name, "backups", name, said)
    if REPOSITORY.is_dir():
        put("w3", "repository", "backups", len(listing(REPOSITORY / "snapshots")))
    copies = set()
    for owner in listing(REGISTRY / "snapshots"):
        for name in listing(REGISTRY / "snapshots" / owner):
            copy = f".snapshot-{owner}@{name.removesuffix('.json')}"
            copies.add(copy)
            put(owner, "snapshots", f"{owner}@{name}", [read(REGISTRY / "snapshots" / owner / name), tree(ROOT / copy)])
    for name in listing(REGISTRY / "trash"):
        thrown = f".trash-{name.removesuffix('.json')}"
        # Without its directory it is not in the trash any more: its note is over one day.
        if not (ROOT / thrown).exists():
            continue
        copies.add(thrown)
        image = IMAGES / f"{thrown}.img"
        put(name, "trash", name, [read(REGISTRY / "trash" / name), "an image" if image.exists() else tree(ROOT / thrown)])
    # What was destroyed without its data stays, under its own name.
    for name in listing(ROOT):
        if not name.startswith("."):
            name in mine or put(name, "data", name, tree(ROOT / name))
        elif name not in copies:
            strays.append(f"data/{name}")
    in_trash = {(IMAGES / name).stat().st_ino for name in listing(IMAGES) if name.startswith(".trash-")}
    for name in listing(IMAGES):
        if not name.startswith("."):
            # With a name of the trash it is what is there, whatever else it is called: whoever needs this name ends it.
            if name.removesuffix(".img") not in mine and (IMAGES / name).stat().st_ino in in_trash:
                continue
            put(name, "images", name, describe(IMAGES / name).split()[:3])
        elif name.removesuffix(".img") not in copies:
            strays.append(f"images/{name}")
    for app in listing(CONFIG):
        for name in listing(CONFIG / app):
            text = read(CONFIG / app / name) if (CONFIG / app / name).is_file() else ""
            if name.startswith("."):
                strays.append(f"config/{app}/{name}")
            elif text and name != MIGRATED:
                put(app, "apps", f"{app}/{name}", text)
    for app in listing(OPTIONS):
        text = "".join((OPTIONS / app / name).read_text() for name in listing(OPTIONS / app) if not name.startswith("."))
        text and put(app, "options", app, text)
    print(json.dumps({"writers": writers, "strays": strays}, sort_keys=True), flush=True)


for _ in sys.stdin:
    main()
