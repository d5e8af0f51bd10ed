"""The stand-in's commands that change apps and containers. `dokku`, beside this directory, starts it and has set the environment."""

import os
import re
import sys

from apps import App
from containers import Containers, Refused, inspect
from play import Play
from recording import Recordings, find
from triggers import WARNING, Log, Plugins, TriggerFailed, Triggers, say, write

ROOT = os.environ["DOKKU_TEST_ROOT"]
# What Dokku's Go programs fire they report a second time, as a warning of their own.
REPORTED_AGAIN = {"pre-release-builder": b"", "pre-deploy": WARNING}


class Fail(Exception):
    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


class Commands:
    def __init__(self, command):
        plugins = Plugins(os.path.join(os.environ["PLUGIN_PATH"], "enabled"), os.path.join(os.environ["PLUGIN_CORE_PATH"], "nothing"))
        self.triggers = Triggers(ROOT, plugins, Log(os.path.join(ROOT, "log", "triggers.jsonl")))
        self.containers = Containers(os.environ["DOKKU_TEST_LABEL"])
        self.recordings = Recordings(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "traces", "lifecycle.json"))
        self.command = command

    def app(self, name):
        if not name:
            raise Fail("Please specify an app to run the command on")
        app = App(name)
        caller = [os.environ["SSH_USER"], os.environ["SSH_NAME"]]
        seen = self.triggers.answer("user-auth-app", [*caller, name]) if app.exists() else b""
        if not app.exists() or (seen is not None and name not in seen.decode().split()):
            raise Fail(f"App {name} does not exist", 20)
        return app

    def play(self, app, calls, **names):
        play = Play(self.command, app, self.triggers, self.containers, self.recordings)
        play.play(calls, **names)
        return play

    def recorded(self, command=None):
        return self.recordings.of(command or self.command)

    # --- apps ---------------------------------------------------------------------------------------------

    def make_app(self, name):
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name or ""):
            raise Fail("App name must begin with lowercase alphanumeric character")
        app = App(name)
        if app.exists():
            raise Fail("Name is already taken")
        os.mkdir(app.directory)
        return app

    def apps_create(self, name=""):
        self.play(self.make_app(name), self.recorded(), APP=name)

    def apps_destroy(self, *words):
        names = [word for word in words if word != "--force"]
        app = self.app(names[0] if names else "")
        if "--force" not in words and not os.environ.get("DOKKU_APPS_FORCE_DELETE"):
            if sys.stdin.readline().strip() != app.name:
                raise Fail(f"Confirmation did not match {app.name}. Aborted.")
        self.play(app, self.recorded(), CLONE=app.name)
        app.drop()

    def apps_rename(self, *words):
        self.copy(words, moves=True)

    def apps_clone(self, *words):
        self.copy(words, moves=False)

    def copy(self, words, moves):
        names = [word for word in words if word != "--skip-deploy"]
        old, new = self.app(names[0] if names else ""), self.make_app(names[1] if len(names) > 1 else "")
        calls = self.recorded()
        setup = next(index for index, call in enumerate(calls) if call.trigger.endswith("-setup"))
        placeholders = ("APP", "NEW") if moves else ("NEW", "CLONE")
        bound = dict(zip(placeholders, (old.name, new.name)))
        self.play(new, calls[:setup], **bound)
        old.copy_to(new)
        new.forget("DEPLOYED")
        if not moves:
            for name in [name for name in os.listdir(new.directory) if name.startswith("CONTAINER.")]:
                new.forget(name)
        rest = calls[setup:]
        if "--skip-deploy" in words or not new.has_code:
            os.environ["SKIP_REBUILD"] = "true"
            rest = [call.changed(calls=[]) if call.trigger.startswith("post-app-") and not call.trigger.endswith("-setup") else call for call in rest]
        code = next(index for index, call in enumerate(rest) if call.trigger == "git-has-code")
        self.play(new, rest[:code], **bound)
        if moves:
            old.drop()
        self.deploy(new, rest[code:], **bound)

    # --- deploys ------------------------------------------------------------------------------------------

    def deploy(self, app, calls, **names):
        had = app.is_deployed
        self.play(app, calls, **names)
        if find(calls, "scheduler-deploy") and (app.is_deployed or had):
            say(f"=====> Application deployed: {app.name}")

    def git_from_image(self, *words):
        words, directory = list(words), ""
        if "--build-dir" in words:
            at = words.index("--build-dir")
            directory = words[at + 1]
            del words[at : at + 2]
        words = [word for word in words if word != "--force"]
        app = self.app(words[0] if words else "")
        image = words[1] if len(words) > 1 else ""
        if not image:
            raise Fail("Please specify a docker image")
        if directory and not os.path.isdir(directory):
            raise Fail("Invalid BUILD_DIR specified for docker build context")
        if inspect(image) is None:
            raise Fail(f"Failed to pull image: {image}")
        app.take_source(image, directory)
        calls = self.recorded()
        call = find(calls, "git-from-image")
        call.args[2] = directory
        self.deploy(app, calls, APP=app.name, IMAGE=image)

    def ps_rebuild(self, name=""):
        app = self.app(name)
        if not app.has_code:
            raise Fail(f"App {name} has not been deployed")
        self.deploy(app, self.recorded(), APP=name)

    def ps_restart(self, name="", process=""):
        app = self.deployed(name)
        if app:
            self.deploy(app, self.of_process(self.recorded(), process), APP=name)

    def deployed(self, name):
        """The app, or nothing and a warning where it was never deployed."""
        app = self.app(name)
        if not app.is_deployed:
            write(2, WARNING + f"App {name} has not been deployed\n".encode())
            return None
        return app

    @staticmethod
    def of_process(calls, process):
        """A recorded restart, of one process type or of all ("")."""
        call = find(calls, "deploy")
        call.args = [*call.args[:2], *([process] if process else [])]
        find(call.calls, "scheduler-deploy").args[3] = process
        return calls

    def ps_scale(self, *words):
        pairs = [word.partition("=") for word in words if "=" in word]
        names = [word for word in words if "=" not in word and word != "--skip-deploy"]
        app = self.app(names[0] if names else "")
        if not all(count.isdigit() for _, _, count in pairs):
            raise Fail("the count of a process type is a number")
        wanted = {process: int(count) for process, _, count in pairs}
        before = dict(app.formation)
        app.scale({**before, **wanted}.items())
        if "--skip-deploy" in words or not app.is_deployed:
            return
        calls = self.recorded()
        self.play(app, [call for call in calls if call.trigger != "deploy"], APP=app.name)
        for process, count in wanted.items():
            if before.get(process) != count:
                again = [call for call in self.recorded() if call.trigger == "deploy"]
                self.deploy(app, self.of_process(again, process), APP=app.name)

    def ps_report(self, name="", flag=""):
        app = self.app(name)
        if flag == "--deployed":
            say("true" if app.is_deployed else "false")

    def ps_stop(self, name=""):
        app = self.deployed(name)
        if app:
            self.play(app, self.recorded(), APP=name)

    def runs(self, app):
        return len(self.containers.deployed(app.name, running=True)) >= max(1, sum(count for _, count in app.formation))

    def ps_start(self, name=""):
        app = self.deployed(name)
        if app:
            runs = self.runs(app)
            self.deploy(app, [call for call in self.recorded() if not (runs and call.trigger == "release-and-deploy")], APP=name)

    def ps_restore(self, name=""):
        app = self.app(name)
        calls = self.recorded()
        if not app.is_deployed:
            calls = calls[: next(index for index, call in enumerate(calls) if call.trigger == "pre-start")]
        elif not self.runs(app):
            release = next(call for call in self.recorded("ps:start") if call.trigger == "release-and-deploy")
            calls[-1:-1] = [release.worded(lambda word: word.replace("APP", "NEW") if word in ("APP", "dokku/APP:latest") else word)]
        self.deploy(app, calls, NEW=name)

    def config_set(self, *words):
        names = [word for word in words if not word.startswith("--")]
        app = self.app(names[0] if names else "")
        variables = dict(word.split("=", 1) for word in names[1:])
        app.set_variables(variables)
        calls = self.recorded()
        calls[0].args = [*calls[0].args[:2], *variables]
        if "--no-restart" in words or not app.is_deployed:
            calls = calls[:1]
        self.deploy(app, calls, APP=app.name)

    # --- the rest -----------------------------------------------------------------------------------------

    def run(self, name="", *words):
        app = self.app(name)
        if not inspect(app.built):
            raise Fail(f"App {name} has not been deployed")
        words = list(words) or ["/bin/sh"]
        play = Play(self.command, app, self.triggers, self.containers, self.recordings)
        play.run_words = words
        calls = self.recorded()
        find(calls, "scheduler-run").args[4:] = words
        find(calls, "procfile-get-command").args[1] = words[0]
        play.play(calls, APP=name)
        return play.status

    def enter(self, name="", process="web", *words):
        app = self.app(name)
        calls = self.recorded()
        find(calls, "scheduler-enter").args[2:] = [process, "--", *(words or ["/bin/sh"])]
        return self.play(app, calls, APP=name).status

    def report(self, name=""):
        app = self.app(name)
        self.play(app, self.recorded(), NEW=name)

    def plugin_install(self, *_words):
        self.play(App(""), self.recorded())


def main():
    command, words = sys.argv[1], sys.argv[2:]
    if os.environ.get("DOKKU_APP_NAME"):
        words.insert(0, os.environ["DOKKU_APP_NAME"])
    commands = Commands(command)
    method = getattr(commands, re.sub("[:-]", "_", command))
    try:
        return method(*words) or 0
    except TriggerFailed as failure:
        if failure.trigger == "docker-args-deploy":
            again = WARNING if command in ("ps:restart", "ps:scale") else None
        else:
            again = REPORTED_AGAIN.get(failure.trigger)
        if again is not None and failure.errors:
            write(2, again + failure.errors)
        return 1
    except (Fail, Refused) as failure:
        write(2, WARNING + f"{failure}\n".encode(errors="replace"))
        return getattr(failure, "status", 1)


sys.exit(main())
