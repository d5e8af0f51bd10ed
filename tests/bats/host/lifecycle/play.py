"""Plays a recorded command: fires its triggers in order, and does at each what the plugins of a real host do there."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from apps import App, all_apps
from containers import Refused, attached, docker, inspect, relabel, split
from recording import PLACEHOLDERS, find, spread
from triggers import TriggerFailed

ADDRESS = "127.0.0.1"


class Words:
    """What stands for the placeholders of a recording."""

    def __init__(self, names, calls):
        self.values = {"PID": os.environ["DOKKU_PID"], "IP": ADDRESS, "REVISION": os.urandom(20).hex(), **names}
        apps = [name for name in all_apps() if name not in names.values()] or ["no-other-app"]
        # An app that an earlier command of the recording has made is one of the host's here.
        wanted = set().union(*(call.names() for call in calls))
        for name in ("CLONE", "NEW"):
            if name in wanted and name not in self.values:
                self.values[name] = apps.pop() if len(apps) > 1 else apps[0]
        self.others = itertools.cycle(apps)
        self.builder = os.environ.get("DOKKU_TEST_BUILDER", "dockerfile")

    def fill(self, call):
        return [self.builder if word == "dockerfile" else PLACEHOLDERS.sub(self.value, word) for word in call.args]

    def value(self, match):
        name = match.group(1)
        return next(self.others) if name == "OTHER" else self.values[name]


class Play:
    def __init__(self, command, app, triggers, containers, recordings):
        self.command, self.app = command, app
        self.triggers, self.containers, self.recordings = triggers, containers, recordings
        self.words, self.printed, self.status, self.directories, self.old = None, b"", 0, [], []
        self.run_words = []

    def play(self, calls, **names):
        """Fires calls with what stands for their placeholders."""
        self.words = Words(names, calls)
        # By descriptor: Dokku's user may be where it could not go.
        home = os.open(".", os.O_PATH | os.O_DIRECTORY)
        try:
            for call in calls:
                self.fire(call)
        finally:
            os.fchdir(home)
            os.close(home)
            for directory in self.directories:
                shutil.rmtree(directory, ignore_errors=True)

    def fire(self, call):
        self.at("before", call.trigger, call)
        args = self.words.fill(call)
        calls = call.calls
        if call.trigger == "scheduler-deploy":
            calls = self.spread(call, args)
        self.triggers.note(call, args)
        early, late = self.triggers.plugins.around(call.trigger)
        printed = self.triggers.run(call, args, early)
        for index, child in enumerate(calls):
            try:
                self.fire(child)
            except (TriggerFailed, Refused):
                self.finalize(calls[index + 1 :])
                raise
        self.at("own", call.trigger, args)
        printed += self.triggers.run(call, args, late)
        self.at("after", call.trigger, args, printed)

    def at(self, moment, trigger, *arguments):
        effect = getattr(self, f"{moment}_{trigger.replace('-', '_')}", None)
        if effect:
            effect(*arguments)

    def finalize(self, rest):
        """A build that failed is noted as one."""
        for call in rest:
            if call.trigger == "builds-record-finalize":
                self.fire(call.changed(args=[*call.args[:-1], "1"]))

    # --- the source and the image -------------------------------------------------------------------------

    def before_builds_generate_id(self, _call):
        self.words.values["BUILD"] = os.urandom(16).hex()

    def make_work_directory(self):
        directory = tempfile.mkdtemp(prefix=f"dokku-{os.environ['DOKKU_PID']}-git_build_app_repo.", dir="/tmp")
        os.chmod(directory, 0o755)
        self.directories.append(directory)
        self.words.values["WORKDIR"] = directory
        return directory

    def before_git_from_directory(self, call):
        directory = self.make_work_directory()
        self.directories.append(call.args[1].replace("WORKDIR", directory))
        shutil.copytree(self.app.source, self.directories[-1], symlinks=True)

    def before_core_post_extract(self, _call):
        directory = self.words.values.get("WORKDIR") or self.make_work_directory()
        shutil.copytree(self.app.source, directory, symlinks=True, dirs_exist_ok=True)
        os.chdir(directory)

    def after_docker_args_build(self, _args, printed):
        self.printed = printed

    def after_docker_args_process_build(self, _args, printed):
        words = split(self.printed + b" " + printed)
        self.app.write("BUILD_ARGS", "\n".join(words))
        if self.words.builder == "herokuish":
            # It builds in a container; the others hand the words to a build, which mounts nothing.
            self.containers.remove([self.containers.create(self.app.name, "build", words, self.app.image, ["true"])])

    def own_builder_build(self, _args):
        self.label("build", self.app.image)

    def before_pre_release_builder(self, _call):
        if not inspect(self.app.built):
            raise Refused(f"App image ({self.app.built}) not found")

    def own_pre_release_builder(self, _args):
        self.task("predeploy")

    def before_post_release_builder(self, _call):
        self.label("release", self.app.built)

    def own_post_deploy(self, _args):
        self.task("postdeploy")

    def label(self, stage, source):
        name, _, value = self.containers.label.partition("=")
        labels = {name: value, "dokku": "", "com.dokku.app-name": self.app.name, "com.dokku.image-stage": stage}
        relabel(source, self.app.built, {**labels, "com.dokku.builder-type": self.words.builder})

    def task(self, phase):
        """Runs a task that app.json has for a phase, in a container of its own."""
        try:
            with open(os.path.join(self.app.source, "app.json"), encoding="utf-8") as file:
                command = json.load(file)["scripts"]["dokku"][phase]
        except (OSError, ValueError, KeyError, TypeError):
            return
        fired = find(self.recordings.of("ps:restart"), "docker-args-deploy")
        printed = b""
        for trigger in ("docker-args-deploy", "docker-args-process-deploy"):
            call = fired.changed(args=[self.app.name, *([self.words.builder] if "process" in trigger else []), "latest"], calls=[])
            call.trigger = trigger
            self.triggers.note(call, call.args)
            try:
                printed += b" " + self.triggers.run(call, call.args, sum(self.triggers.plugins.around(trigger), []))
            except TriggerFailed:
                pass  # Dokku takes a failure for an app without options.
        container = self.containers.create(self.app.name, "run", split(printed), self.app.built, ["sh", "-c", command], name=self.one_off())
        status = attached("container", "start", "--attach", container)
        self.containers.remove([container])
        if status:
            raise Refused(f"Execution of {phase} task failed")

    def one_off(self):
        """What a container that runs one command is called."""
        return f"{self.app.name}.run.{time.time_ns()}"

    # --- the containers -----------------------------------------------------------------------------------

    def spread(self, call, args):
        process = args[3] if len(args) > 3 else ""
        formation = [pair for pair in self.app.formation if process in ("", pair[0])]
        fullest = find(self.recordings.of("config:set"), "scheduler-deploy")
        self.old = self.containers.deployed(self.app.name, process)
        self.counts = dict(formation)
        return spread(call, fullest, formation, lambda *dyno: bool(self.app.read(self.id_file(*dyno))))

    @staticmethod
    def id_file(process, index):
        return f"CONTAINER.{process}.{index}"

    def after_docker_args_deploy(self, _args, printed):
        self.printed = printed

    def after_docker_args_process_deploy(self, args, printed):
        self.printed += b" " + printed
        if len(args) > 4:
            self.dyno = args[3], args[4]
        else:
            split(self.printed)

    def after_docker_args_run(self, _args, printed):
        self.printed = printed

    def after_docker_args_process_run(self, _args, printed):
        self.printed += b" " + printed

    def before_post_container_create(self, call):
        words = split(self.printed)
        words += [f"--env={key}={value}" for key, value in self.app.variables.items()]
        if call.args[3] == "run":
            terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else []
            container = self.containers.create(self.app.name, "run", words, self.app.built, self.run_words, terminal, self.one_off())
        else:
            process, index = self.dyno
            name = f"{process}.{index}"
            options = ["--no-healthcheck", "--stop-timeout", "1", f"--env=DYNO={name}"]
            options += [f"--label=com.dokku.process-type={process}", f"--label=com.dokku.dyno={name}"]
            upcoming = f"{self.app.name}.{name}.upcoming-{time.time_ns()}"
            container = self.containers.create(self.app.name, "deploy", words, self.app.built, ["start", process], options, upcoming)
        self.container = self.words.values["CONTAINER"] = container

    def after_post_container_create(self, args, _printed):
        if args[3] == "run":
            self.status = self.run_once()
        else:
            self.containers.start(self.container)

    def own_check_deploy(self, args):
        if not self.containers.runs(self.container):
            self.containers.remove([self.container])
            raise Refused(f"App {self.app.name}: a container of process type {args[2]} could not be started")

    def before_scheduler_register_retired(self, _call):
        self.words.values["CONTAINER"] = self.app.read(self.id_file(*self.dyno)).strip()

    def before_network_write_ipaddr(self, _call):
        self.app.write(self.id_file(*self.dyno), self.container)

    def own_scheduler_post_deploy_process(self, args):
        kept = {self.id_file(args[1], index) for index in range(1, self.counts[args[1]] + 1)}
        for name in os.listdir(self.app.directory):
            if name.startswith(f"CONTAINER.{args[1]}.") and name not in kept:
                self.app.forget(name)

    def own_core_post_deploy(self, _args):
        self.app.write("DEPLOYED", "true")
        for name in os.listdir(self.app.directory):
            if name.startswith("CONTAINER."):
                dyno = name.removeprefix("CONTAINER.")
                self.containers.rename(self.app.read(name).strip(), f"{self.app.name}.{dyno}")

    def own_scheduler_deploy(self, _args):
        self.containers.remove(self.old)

    # --- one-off containers, the ends of containers and apps ----------------------------------------------

    def run_once(self):
        options = ["--attach", "--interactive"] if sys.stdin.isatty() else ["--attach"]
        return attached("container", "start", *options, self.container)

    def before_scheduler_post_run(self, call):
        call.args = [*call.args[:-1], str(self.status)]

    def own_scheduler_post_run(self, _args):
        self.containers.remove([self.container])

    def own_scheduler_enter(self, args):
        found = self.containers.deployed(self.app.name, args[2], running=True)
        if not found:
            raise Refused(f"No containers of process type {args[2]} run for {self.app.name}")
        terminal = ["-i", "-t"] if sys.stdin.isatty() else ["-i"]
        self.status = attached("container", "exec", *terminal, found[0], *args[4:])

    def own_scheduler_stop(self, args):
        # Also where the containers are to be removed: Dokku does that once all plugins have forgotten the app.
        self.containers.stop(self.containers.deployed(args[1]))

    def own_scheduler_retire(self, args):
        self.containers.remove(self.containers.deployed(args[1]))

    def own_scheduler_post_delete(self, args):
        docker("image", "rm", "-f", App(args[1]).built, stderr=subprocess.DEVNULL)

    def own_post_delete(self, args):
        App(args[0]).drop_config()
