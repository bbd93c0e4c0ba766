"""Mutated files: everything that the program reads, by formats."""
import collections, os, shutil

from formats_data import Data
from formats_machine import Machine
from formats_runs import Runs
from mutations_data import DataMutations
from shared import faults_of, run, words

# More of one kind are counted, and neither told nor kept: they are the same.
MOST_TOLD = 5
# So many files of one command are looked for, one by one.
MOST_FOUND = 50
# Files of one command, where one can read many.
TOGETHER = 250


def run_part(campaign):
    mutations = DataMutations(campaign.random)
    makers = {}
    for kind in [Runs, Machine, Data]:
        makers |= kind(campaign, mutations).all()
    if unknown := [name for name in campaign.only if name not in makers]:
        raise SystemExit(f"there is no format {unknown[0]}: {', '.join(makers)}")
    for name, make in makers.items():
        if campaign.only and name not in campaign.only:
            continue
        Files(campaign, name, make).try_all()


class Files:
    def __init__(self, campaign, name, make):
        self.campaign, self.name, self.make = campaign, name, make
        self.found = collections.Counter()

    def try_all(self):
        with self.campaign.section("files", self.name) as self.section:
            self.format = self.make()
            if not self.format:
                return print(f"files: {self.name}: not on this machine", flush=True)
            count = self.campaign.count or (3000 if self.campaign.is_long else 200 if self.format.together else 12)
            if self.format.is_slow:
                count = max(count // 100, 2) if self.campaign.is_long or self.campaign.count or self.campaign.only else 0
            if count:
                self.try_sound()
            # Each format has its own numbers, so that one alone sees the same files.
            self.campaign.random.seed(f"{self.campaign.seed} {self.name}")
            if self.format.together:
                for first in range(0, count, TOGETHER):
                    self.try_together(range(first, min(count, first + TOGETHER)))
            else:
                for index in range(count):
                    self.try_one(index)

    def try_sound(self):
        """Where a sound file is refused, mutated ones would prove nothing."""
        path, sound, _ = self.format.files[0]
        for command in self.format.commands:
            self.renew()
            if not self.format.together:
                path.write_bytes(sound)
            with self.input(command, path) as stdin:
                result = run(command, env=self.format.env, stdin=stdin)
            assert result.status in self.format.sound, f"{words(command)}: {result.status}: {result.output}{result.errors}"

    def input(self, command, path):
        """Of a command that reads standard input it is the file."""
        return open(path if "-" in command else os.devnull, "rb")

    def faults(self, command, stdin=None, limit=60):
        result = run(command, limit=limit, env=self.format.env, stdin=stdin, most=self.format.most)
        self.section.count(result)
        faults = faults_of(result, self.format.allowed, self.format.most)
        if self.format.forbidden and self.format.forbidden in result.output + result.errors:
            faults.append(result.last)
        return faults

    def tell(self, faults, keep, place, command):
        """`keep` makes a copy of what has the faults, and answers where."""
        kinds = [fault.split(":")[0] for fault in faults]
        self.found.update(kinds)
        is_told = any(self.found[kind] <= MOST_TOLD for kind in kinds)
        kept = keep() if is_told else ""
        env = [f"{key}={value}" for key, value in self.format.env.items()]
        copy = f"rm -rf {place}; cp -r {kept} {place}"
        for fault in faults:
            self.campaign.tell("files", f"{self.name}: {fault}", f"{copy}; {words(['env', *env, *command])}", shown=is_told)

    def keep(self, index, path):
        kept = self.campaign.work / "kept" / f"{self.name.replace('/', '-')}-{index}"
        kept.parent.mkdir(exist_ok=True)
        (shutil.copytree if path.is_dir() else shutil.copy)(path, kept)
        return kept

    # -- a file a command

    def try_one(self, index):
        path, sound, mutate = self.campaign.random.choice(self.format.files)
        command = self.format.commands[index % len(self.format.commands)]
        place = self.renew() or path
        path.write_bytes(mutate(sound))
        # Commands may write to what they read: what is kept is as it was before.
        earlier = self.keep("last", place)
        with self.input(command, path) as stdin:
            faults = self.faults(command, stdin)
        if faults:
            kept = earlier.with_name(earlier.name.replace("last", str(index)))
            self.tell(faults, lambda: earlier.rename(kept), place, command + (["<", path] if "-" in command else []))
        if earlier.is_dir():
            shutil.rmtree(earlier)
        path.write_bytes(sound)

    def renew(self):
        if not self.format.folder:
            return None
        source, target = self.format.folder
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)
        return target

    # -- many files a command

    def try_together(self, indices):
        """Mutated files in a pool, all of them in one command; where that has a fault, halves, down to one file."""
        pool = self.campaign.work / "pool"
        shutil.rmtree(pool, ignore_errors=True)
        pool.mkdir()
        self.format.together.mkdir(exist_ok=True)
        entries = [self.entry(pool, index) for index in indices]
        for command in self.format.commands:
            self.narrow(pool, entries, command)
            self.section.tried += len(entries) - 1

    def entry(self, pool, index):
        """A mutated file, or a folder that is sound but for one."""
        path, sound, mutate = self.campaign.random.choice(self.format.files)
        data = mutate(sound)
        if not self.format.folder:
            name = f"m{index:06}{path.suffix}"
            (pool / name).write_bytes(data)
            return name
        # The sound files are linked, not copied: the commands only read them.
        name = f"m{index:06}"
        shutil.copytree(self.format.folder[0], pool / name, copy_function=os.link)
        (pool / name / path).unlink()
        (pool / name / path).write_bytes(data)
        return name

    def narrow(self, pool, entries, command):
        target = self.format.together
        for name in entries:
            (pool / name).rename(target / name)
        faults = self.faults(command, limit=60 if len(entries) == 1 else 300)
        for name in entries:
            (target / name).rename(pool / name)
        if not faults or self.found.total() >= MOST_FOUND:
            return
        if len(entries) == 1:
            keep = lambda: self.keep(entries[0], pool / entries[0])
            return self.tell(faults, keep, target / entries[0], command)
        before, half = self.found.total(), len(entries) // 2
        self.narrow(pool, entries[:half], command)
        self.narrow(pool, entries[half:], command)
        if self.found.total() == before:
            keep = lambda: self.keep(f"together-{entries[0]}", pool)
            self.tell([f"{fault} (only together)" for fault in faults], keep, target, command)
