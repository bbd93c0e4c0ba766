"""Formats of what is neither a run nor data: configurations, programs, the host's store, plug-ins, fetched files."""

import plugins
from formats import IMAGES_OF_OLD_RUNS, Format, Makers
from shared import ROOT, run


class Machine(Makers):
    def all(self):
        return {"configuration": self.configuration, "program": self.program, "store/routing": self.routing,
                "store/wisdom": self.wisdom, "store/tuned": self.tuned, "store/first-use": self.first_use,
                "library": self.library, "fetched": self.fetched}

    def configuration(self):
        _, config = self.table()
        file = self.work / "mutated.yaml"
        texts = [config.read_text()] + [self.made("config", "show", path) for path in [config, self.images("shown.yaml")]]
        for path in sorted((ROOT / "configs").glob("*.yaml")):
            text = path.read_text().replace("path: table.csv", f"path: {self.work}/table.csv")
            texts.append(text.replace("path: images", f"path: {IMAGES_OF_OLD_RUNS}"))
        return Format("configuration", [(file, text.encode(), self.mutations.text) for text in texts],
                      [self.command("config", "check", file), self.command("config", "show", file),
                       self.command("inspect", file), self.command("data", "check", file),
                       self.command("backends", "--explain", file), self.train(file, "--steps", "1")], env=self.env)

    def program(self):
        _, config = self.table()
        file = self.work / "mutated.program"
        texts = [self.made("inspect", path, "--program") for path in [config, self.images("programmed.yaml")]]
        # With numbers, as conformance and diff write them.
        texts.append("program sample\ninput %0 x f32[2,3]\ninput %1 y f32[3]\n%2: f32[2,3] = binary(%0, %1) "
                     "{function: \"add\"}\noutput z %2\nvalue x 1.0 -2.5 3e-05 inf nan 0.0\nvalue y 0.5 -0.0 1e38\n")
        # A sound program may be wrong all the same: its random states are none that a training has.
        return Format("program", [(file, text.encode(), self.mutations.text) for text in texts],
                      [self.command("conformance", "--backend", name, "--program", file, "--limit", "20")
                       for name in ["reference", "openblas"]], sound=(0, 1), env=self.env, forbidden="it crashed")

    # -- the host's store

    def stored(self, key):
        """The newest file in the store whose key begins so; None where there is none."""
        folder = self.work / "cache/switchback/store"
        found = list(folder.glob(key.encode().hex() + "*")) if folder.exists() else []
        return max(found, key=lambda path: path.stat().st_mtime) if found else None

    def in_store(self, name, key, change, commands, **more):
        """What was stored before under the key; None where nothing was."""
        path, m = self.stored(key), self.mutations
        if not path:
            return None
        # What is spoilt there is as if it were not there.
        forged = m.store(change)
        return Format(name, [(path, path.read_bytes(), m.some(forged, forged, forged, forged, m.bytes))], commands,
                      env=self.env, allowed=frozenset([0]), **more)

    def succeeds(self, command):
        """Not every machine has every backend."""
        return run(command, limit=300, env=self.env).status == 0

    def routing(self):
        m, config = self.mutations, self.images("conv.yaml")
        auto = ["--backend", "auto", "--set", "backend.tuning_seconds=0.2"]
        train = self.train(config, "--steps", "1", *auto)
        assert self.succeeds(train)
        return self.in_store("store/routing", "routing", m.some(m.json, m.json, m.text, m.bytes),
                             [self.command("backends", "--explain", config, *auto), train])

    def wisdom(self):
        m = self.mutations
        train = self.train(self.images("conv.yaml"), "--steps", "1", "--backend", "fft", "--set", "backend.fft.force=true")
        if not self.succeeds(train):
            return None
        return self.in_store("store/wisdom", "fft wisdom", m.some(m.text, m.text, m.bytes), [train])

    def tuned(self):
        m = self.mutations
        # It writes an empty file under the key, without measuring.
        if not self.succeeds(self.command("tune", "--forget")):
            return None
        self.stored("tuned").write_bytes(m.store(lambda _: b"tiles=8:6x16x64x1,16:default\n")(bytes(8)))
        explain = self.command("backends", "--explain", self.images("conv.yaml"), "--backend", "opencl")
        return self.in_store("store/tuned", "tuned", m.some(m.text, m.text, m.bytes), [explain], is_slow=True)

    def first_use(self):
        m = self.mutations
        train = self.train(self.images("conv.yaml"), "--steps", "1", "--backend", "opencl")
        if not self.succeeds(train):
            return None
        return self.in_store("store/first-use", "first-use", m.some(m.json, m.text, m.bytes), [train], is_slow=True)

    # -- what else is a file

    def library(self):
        """A plug-in: its headers, or where it is cut off. (Of its code nothing can be said.)"""
        folder = self.work / "library"
        folder.mkdir()
        file = plugins.library(plugins.template(), folder)
        return Format("library", [(file, file.read_bytes(), self.mutations.head)],
                      [self.command("backends", "check", file, "--limit", "10"), self.command("backends")],
                      env={**self.env, "SWITCHBACK_BACKEND_PATH": str(folder)})

    def fetched(self):
        """What a mirror gives: files of another content, all of which a checksum refuses."""
        mirror, into, empty = self.work / "mirror/mnist", self.work / "fetched", self.work / "empty"
        m, files = self.mutations, []
        for path in sorted((ROOT / "Tests/Samples/mnist").iterdir()):
            copy = self.write(f"mirror/mnist/{path.name}", path.read_bytes())
            files.append((copy, path.read_bytes(), m.some(m.gzipped(m.bytes), m.bytes)))
        empty.mkdir()
        return Format("fetched", files, [self.command("data", "fetch", "mnist", "--into", into)], folder=(empty, into),
                      sound=(66,), env={**self.env, "SWITCHBACK_MIRROR": f"file://{mirror.parent}"})
