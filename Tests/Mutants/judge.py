"""Whether conformance finds that a library is wrong, and what diff says of it."""
import json
import os
import signal
import subprocess

from builds import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))


class Judge:
    def __init__(self, program, work, family):
        self.program, self.work, self.family, self.options = program, work, family, family.options
        # These are behind the exporter: of the contract only what they do to memory is their own.
        is_exported = family.files[0].endswith((".swift", ".cl")) or family.name == "FFT kernels"
        self.contract = ["contract writes", "contract reads", "contract sees"] if is_exported else ["contract"]
        # PoCL keeps what it compiles; here only as long as the judge.
        self.environment = dict(os.environ, POCL_CACHE_DIR=work + "/pocl", **family.environment)
        os.makedirs(work + "/pocl", exist_ok=True)

    def ask(self, *arguments, patience=1):
        """Exit status (None: it took too long) and standard output."""
        asked = subprocess.Popen([self.program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 text=True, cwd=ROOT, env=self.environment, start_new_session=True)
        try:
            output, _ = asked.communicate(timeout=self.family.limits[1] * patience)
            return asked.returncode, output
        except subprocess.TimeoutExpired:
            # With the children, which run the kernels.
            os.killpg(asked.pid, signal.SIGKILL)
            asked.communicate()
            return None, ""

    def asked(self, library, part, patience=1):
        """What `ask` gives of a part of conformance."""
        options = [word for key, value in self.options.items() for word in ("--option", f"{key}={value}")]
        # One worker, since many mutants may be tried at once; the contract asks what more of them change.
        return self.ask(
            "conformance", "--backend", library, "--quick", "--json", "--failures", self.work, "--limit",
            str(self.family.limits[0] * patience), "--threads", "1", *options, *part, patience=patience)

    def conformance(self, library, file):
        """How it died ('': it lives) and the families that failed; `file` was changed, which says what is asked first.
        Afterwards `options` are those with which it died."""
        name = os.path.basename(file)
        first = [*self.family.serves[name], "training steps"] if name in self.family.serves else []
        parts = [(variant, ["--filter", words, "--skip", "contract"])
                 for variant in [{}, *self.family.variants.get(name, [])] for words in first]
        parts += [({}, ["--skip", "contract"])] + [({}, ["--filter", words]) for words in self.contract]
        for variant, part in parts:
            self.options = {**self.family.options, **variant}
            status, output = self.asked(library, part)
            if status is None or "come back" in output:
                # The machine may have been busy: only what is late with much more time is a death.
                status, output = self.asked(library, part, patience=4)
            if status is None:
                return "hang", []
            if status == 0:
                continue
            try:
                result = json.loads(output)
            except ValueError:
                return "not loaded", []
            failed = [row["family"] for row in result["families"] if row["failed"]]
            if not failed and not result["failures"]:
                return "takes nothing", []
            if not failed:
                crash = result["failures"][0]
                return ("hang" if "come back" in crash["message"] else "crash"), [crash["name"].split(" ")[0]]
            return "conformance", failed
        return "", []

    def diff(self, library):
        """The kind of operation that diff names, 'crash', or ''."""
        key = os.path.basename(library)[len("libSwitchback"):-len(".so")]
        options = [word for name, value in self.options.items()
                   for word in ("--set", f"backend.{key}.{name}={value}")]
        if options:
            # A section of options belongs to a backend that the configuration names.
            options = ["--set", f"backend.name={library}", *options]
        status, output = self.ask(
            "diff", f"{HERE}/network.yaml", "--backends", "reference," + library, "--steps", "2", "--data",
            "Tests/Samples", "--json", "--set", "backend.threads=1", *options, "--replay", self.work + "/diff.program")
        if status is None or status < 0:
            return "crash"
        for line in output.split("\n"):
            row = json.loads(line) if line.startswith("{") else {}
            if "kind" in row:
                return row["kind"]
        return ""

    def verdict(self, library, failed):
        """Whether diff was right, judged by the operations that fail when they are asked alone."""
        named = self.diff(library)
        alone = [family for family in failed if family not in ("training steps", "random programs", "contract")]
        if named in ("", "crash") or not alone:
            return named or "-"
        # Conformance was ended at the first part that failed; another operation may be wrong just as well.
        is_right = named in alone or self.asked(library, ["--filter", named, "--skip", "contract"])[0] != 0
        return "right" if is_right else "wrong: " + named
