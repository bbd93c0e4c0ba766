#!/usr/bin/env python3
"""Tries to make the program lose or crash: injected errors, kills, mutated files, hostile plug-ins.

    campaign.py [--binary PATH] [--seed N] [--hours] [errors | kills | files | plugins]...

Minutes by default; --hours asks for everything. Ends with 1 where something crashed, hung, was lost, or ended with a
status that is none of ours. Failures are told with the command that shows them again.
"""
import argparse, errno, hashlib, json, os, pathlib, random, shutil, signal, struct, subprocess, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What the program says: success, a failure of its own, a finding, usage, data, missing file, backend, library, cannot
# make, cannot write, configuration, and 128 with a signal.
STATUSES = {0, 1, 3, 64, 65, 66, 69, 70, 73, 74, 78, 130, 143}
faults: list[str] = []


def tell(kind, words, command=""):
    faults.append(f"{kind}: {words}" + (f"\n    {command}" if command else ""))
    print("✗ " + faults[-1], flush=True)


def run(command, limit=120, env=None, **more):
    """Status (negative: the signal that ended it), output and errors; None where it hung."""
    try:
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
                              timeout=limit, env={**os.environ, **(env or {})}, **more)
    except subprocess.TimeoutExpired:
        return None
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def judge(kind, what, result, command, allowed=STATUSES):
    if result is None:
        tell(kind, f"{what}: it hung", command)
    elif result[0] not in allowed:
        last = result[2].strip().splitlines()[-1:] or [""]
        tell(kind, f"{what}: status {result[0]}: {last[0][:200]}", command)
    elif result[0] != 0 and not any(w in result[1] + result[2] for w in ["error:", "interrupted", "✗", "wrong operation"]):
        tell(kind, f"{what}: status {result[0]} without a word", command)


class Campaign:
    def __init__(self, binary, work, data, seed, is_long):
        self.binary, self.work, self.data = binary, pathlib.Path(work), data
        self.random, self.is_long = random.Random(seed), is_long
        self.cache = self.work / "cache"

    def train(self, runs, *more, backend="reference"):
        layers = "[flatten, dense: {units: 16, activation: relu}, dropout: {rate: 0.2}, dense: {units: 10, activation: softmax}]"
        return [self.binary, "train", "configs/mnist-mlp.yaml", "--backend", backend, "--data", self.data, "--runs", runs,
                "--epochs", "3", "--set", f"model.layers={layers}", "--set", "training.checkpoint_steps=3",
                "--set", "training.batch_size=64", *more]

    def newest(self, run):
        files = sorted((pathlib.Path(run) / "checkpoints").glob("step-*.safetensors"))
        return files[-1] if files else None

    def digest(self, run):
        """Of the last weights and of the findings; steps are counted."""
        newest = self.newest(run)
        findings = (pathlib.Path(run) / "findings.jsonl").read_bytes()
        steps = [json.loads(line)["step"] for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()
                 if "stepInEpoch" in line]
        return newest.name, hashlib.sha256(newest.read_bytes()).hexdigest(), findings, steps

    # -- errors of the system

    def errors(self):
        shim = self.work / "faults.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", HERE / "faults.c", "-o", shim, "-ldl"], check=True)
        whole = self.work / "whole"
        assert run(self.train(whole))[0] == 0
        right = self.digest(whole / "latest")
        asked = 0
        for resumes in [False, True]:
            for call, codes in [("write", [errno.ENOSPC, errno.EIO]), ("rename", [errno.EACCES]), ("fsync", [errno.EIO]),
                                ("mkdir", [errno.ENOSPC]), ("close", [errno.EIO]), ("open", [errno.EMFILE, errno.EROFS])]:
                for code in codes:
                    count = self.work / "count"
                    def attempt(at):
                        runs = self.work / "faulty"
                        shutil.rmtree(runs, ignore_errors=True)
                        command = self.train(runs)
                        if resumes:
                            assert run(self.train(runs, "--steps", "7"))[0] == 0
                            command = [self.binary, "train", "--resume", (runs / "latest").resolve(), "--set", "training.steps=null"]
                        env = {"LD_PRELOAD": str(shim), "FAULT_CALL": call, "FAULT_AT": str(at), "FAULT_ERRNO": str(code),
                               "FAULT_UNDER": str(runs), "FAULT_COUNT": str(count)}
                        return runs, command, run(command, env=env)
                    attempt(0)
                    calls = int(count.read_text())
                    places = list(range(1, calls + 1))
                    most = 200 if self.is_long else 12
                    if len(places) > most:
                        places = sorted(set(places[:4] + places[-4:] + self.random.sample(places, most - 8)))
                    for at in places:
                        asked += 1
                        runs, command, result = attempt(at)
                        what = f"{'resume' if resumes else 'train'}, {call} {at} of {calls} fails with {errno.errorcode[code]}"
                        words = f"FAULT_CALL={call} FAULT_AT={at} FAULT_ERRNO={code} FAULT_UNDER={runs} LD_PRELOAD={shim} " + " ".join(map(str, command))
                        judge("errors", what, result, words)
                        # To open is to read as well: data, or the configuration of a run.
                        ours = (0, 73, 74) + ((65, 66, 78) if call == "open" else ())
                        if result and result[0] not in ours:
                            tell("errors", f"{what}: status {result[0]} is none of {ours}: {result[2].strip()[-200:]}", words)
                        if result and "NSError" in result[2] + result[1] or result and "Domain=" in result[2]:
                            tell("errors", f"{what}: a raw error: {result[2].strip()[-200:]}", words)
                        # Where there is a checkpoint the run goes on to the weights it would have had.
                        folders = [f for f in runs.glob("mnist-mlp-*")] if runs.exists() else []
                        if result and result[0] != 0 and folders and self.newest(folders[0]):
                            again = run([self.binary, "train", "--resume", folders[0], "--set", "training.steps=null"])
                            if not again or again[0] != 0:
                                tell("errors", f"{what}: it cannot be resumed: {again and again[2].strip()[-200:]}", words)
                            elif self.digest(folders[0]) != right:
                                tell("errors", f"{what}: resumed, it has other weights, findings or steps", words)
        print(f"errors: {asked} injected", flush=True)

    # -- kills

    def kills(self):
        backends = ["reference", "openblas"] + (["opencl", "auto"] if self.is_long else [])
        asked = 0
        for backend in backends:
            runs = self.work / f"alone-{backend}"
            result = run(self.train(runs, backend=backend), limit=600)
            if not result or result[0] != 0:
                print(f"kills: without {backend}: {result and result[2].strip()[-200:]}")
                continue
            right = self.digest(runs / "latest")
            for _ in range((200 if self.is_long else 20) // len(backends)):
                asked += 1
                cut = self.work / "cut"
                shutil.rmtree(cut, ignore_errors=True)
                number = self.random.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
                process = subprocess.Popen([str(c) for c in self.train(cut, backend=backend)], cwd=ROOT,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(self.random.uniform(0.05, 0.6))
                process.send_signal(number)
                try:
                    status = process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    tell("kills", f"{backend}: {number.name}: it does not end")
                    continue
                if number != signal.SIGKILL and status not in (0, 128 + number, -number):
                    tell("kills", f"{backend}: {number.name}: status {status}")
                folders = list(cut.glob("mnist-mlp-*")) if cut.exists() else []
                if not folders or not self.newest(folders[0]):
                    continue
                again = run([self.binary, "train", "--resume", folders[0]], limit=600)
                if not again or again[0] != 0:
                    tell("kills", f"{backend}: {number.name}: it cannot be resumed: {again and again[2].strip()[-200:]}")
                elif self.digest(folders[0]) != right:
                    tell("kills", f"{backend}: {number.name}: other weights, findings or steps than alone")
        print(f"kills: {asked} runs", flush=True)

    # -- files

    def mutate(self, data):
        data = bytearray(data)
        for _ in range(self.random.choice([1, 1, 2, 5])):
            if not data:
                break
            at = self.random.randrange(len(data))
            match self.random.randrange(5):
                case 0: data[at] = self.random.randrange(256)
                case 1: del data[at:at + self.random.randrange(1, 40)]
                case 2: data[at:at] = bytes(self.random.randrange(256) for _ in range(self.random.randrange(1, 9)))
                case 3: data[at:at + 8] = self.random.choice([b"\0" * 8, b"\xff" * 8, b"-1", b"1e999", b"9223372036854775807"])
                case 4: data = data[:at]
        return bytes(data)

    def files(self):
        runs = self.work / "files"
        assert run(self.train(runs))[0] == 0
        original = (runs / "latest").resolve()
        table = self.work / "table.csv"
        table.write_text("a,b,class\n" + "".join(f"{n % 7},{n * n % 5},{'xyz'[n % 3]}\n" for n in range(60)))
        config = self.work / "table.yaml"
        config.write_text("version: 1\nmodel: {layers: [dense: {units: 3, activation: softmax}]}\n"
                          f"data: {{dataset: csv, path: {table}, label: class}}\n"
                          "training: {epochs: 1, batch_size: 8}\nbackend: reference\n")
        copy = self.work / "copy"
        names = ["config.yaml", "data.json", "environment.json", "metrics.jsonl", "metrics.csv", "findings.jsonl",
                 "gradients.jsonl", "evaluation.json", "summary.json", "checkpoint"]
        commands = {
            "evaluate": lambda: [self.binary, "evaluate", copy, "--data", self.data],
            "predict": lambda: [self.binary, "predict", copy, "--data", self.data, "--index", "1"],
            "resume": lambda: [self.binary, "train", "--resume", copy, "--epochs", "4"],
            "report": lambda: [self.binary, "report", copy],
            "verify": lambda: [self.binary, "checkpoint", "verify", copy],
        }
        count = 3000 if self.is_long else 12
        asked = 0
        for name in names:
            for index in range(count):
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(original, copy, symlinks=True)
                path = self.newest(copy) if name == "checkpoint" else copy / name
                data = path.read_bytes()
                if name == "checkpoint":
                    data = self.forged(data)
                    for other in (copy / "checkpoints").iterdir():
                        other.unlink()
                path.write_bytes(data if name == "checkpoint" else self.mutate(data))
                for what in self.random.sample(list(commands), 2):
                    asked += 1
                    command = commands[what]()
                    result = run(command, limit=60)
                    if result is None or result[0] not in STATUSES:
                        keep = self.work / f"kept-{name}-{index}"
                        shutil.copytree(copy, keep, symlinks=True, dirs_exist_ok=True)
                        judge("files", f"{what} with a mutated {name} (kept in {keep})", result, " ".join(map(str, command)))
                    else:
                        judge("files", f"{what} with a mutated {name}", result, " ".join(map(str, command)))
        for path, command in [(table, ["train", config, "--runs", self.work / "t"]),
                              (config, ["config", "check", config]), (config, ["train", config, "--runs", self.work / "t"])]:
            data = path.read_bytes()
            for _ in range(count):
                asked += 1
                path.write_bytes(self.mutate(data))
                judge("files", f"{command[0]} with a mutated {path.name}", run([self.binary, *command], limit=60),
                      " ".join(map(str, command)))
            path.write_bytes(data)
        print(f"files: {asked} commands on mutated files", flush=True)

    def forged(self, data):
        """A checkpoint with something changed in its header, and a checksum that fits."""
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        meta = header["__metadata__"]
        text = meta["position"]
        names = [n for n in header if n != "__metadata__"]
        match self.random.randrange(4):
            case 0:
                meta["position"] = self.mutate(text.encode()).decode(errors="replace")
            case 1:
                position = json.loads(text)
                key = self.random.choice(list(position))
                position[key] = self.random.choice([-1, 0, 2**62, -2**63, 2**48 + 1, 1e300, "x", None, [], {}, True])
                meta["position"] = json.dumps(position)
            case 2:
                entry = header[self.random.choice(names)]
                entry[self.random.choice(["dtype", "shape", "data_offsets"])] = self.random.choice(
                    ["F64", "I32", [1], [2**40, 2**40], [-1], [0, 2**62], 5, None, []])
            case 3:
                record = json.loads(meta["data"])
                key = self.random.choice(list(record))
                record[key] = self.random.choice([-1, 2**62, "x", None, [], {}, [{}], ["a"] * 3, True])
                meta["data"] = json.dumps(record)
        def fnv(parts):
            value = 0xcbf29ce484222325
            for byte in parts:
                value = (value ^ byte) * 0x100000001b3 & 0xFFFFFFFFFFFFFFFF
            return f"{value:x}"
        body = data[8 + length:]
        parts = bytearray(meta.get("position", "").encode() + meta.get("data", "").encode())
        for name in sorted(names):
            parts += name.encode()
            try:
                first, end = header[name]["data_offsets"]
                parts += body[first:end]
            except (TypeError, ValueError):
                pass
        meta["checksum"] = fnv(parts)
        packed = json.dumps(header).encode()
        packed += b" " * (-len(packed) % 8)
        return struct.pack("<Q", len(packed)) + packed + body

    # -- plug-ins

    def plugins(self):
        """Wrong copies of the template: what they do at each of its functions."""
        source = (ROOT / "Backends/Template/template_backend.c").read_text()
        deeds = ["exit(0);", "_exit(0);", "abort();", "*(volatile int *)1 = 1;", "raise(SIGTERM);", "for (;;) pause();",
                 "setlocale(LC_ALL, \"de_DE.UTF-8\"); setlocale(LC_ALL, \"C.UTF-8\");", "close(1); close(2);",
                 "throw_away();", "chdir(\"/\");"]
        head = ("#include <locale.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
                "static void throw_away(void) { volatile char big[64 << 20]; big[0] = 1; big[sizeof big - 1] = 1; }\n"
                "__attribute__((unused)) static void *unused_throw_away = (void *)throw_away;\n")
        places = ["(*device)->host = host;", "*ticket = 0;", "(void)host_minor;"]
        asked = 0
        for place in places:
            assert place in source, place
            for deed in deeds:
                folder = pathlib.Path(tempfile.mkdtemp(dir=self.work))
                (folder / "p.c").write_text(head + source.replace(place, deed + " " + place, 1))
                library = folder / "libSwitchbackp.so"
                made = run(["cc", "-shared", "-fPIC", "-O1", "-I", ROOT / "Sources/SwitchbackABI/include", folder / "p.c",
                            "-o", library])
                assert made[0] == 0, made[2]
                hangs = "for (;;)" in deed
                dies = any(word in deed for word in ["exit", "abort", "volatile int", "raise", "for (;;)"])
                env = {"SWITCHBACK_BACKEND_PATH": str(folder), "XDG_CACHE_HOME": str(self.cache)}
                for words in [["backends"], ["backends", "check", library, "--limit", "3"],
                              ["conformance", "--backend", library, "--quick", "--filter", "matmul", "--limit", "3",
                               "--failures", folder]]:
                    asked += 1
                    command = [self.binary, *words]
                    result = run(command, limit=200, env=env)
                    what = f"{words[0]} {words[1] if len(words) > 1 else ''} with a plug-in that does {deed} at {place}"
                    judge("plugins", what, result, " ".join(map(str, command)))
                    if result and words[0] == "conformance" and dies and place != "(void)host_minor;" and result[0] == 0:
                        tell("plugins", f"{what}: it passes", " ".join(map(str, command)))
                    if result and words == ["backends"] and (result[0] != 0 or "reference" not in result[1]):
                        tell("plugins", f"{what}: the list is gone (status {result[0]})", " ".join(map(str, command)))
                if dies and not hangs and "raise" not in deed and "abort" not in deed and "volatile" not in deed and "_exit" not in deed:
                    asked += 1
                    command = self.train(folder / "runs", backend=str(library))
                    result = run(command, limit=60, env=env)
                    if result and result[0] == 0:
                        tell("plugins", f"train with a plug-in that does {deed} at {place}: it is a success", " ".join(map(str, command)))
        print(f"plugins: {asked} commands", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / ".build/release/switchback")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", action="store_true")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    parts = options.parts or ["errors", "kills", "files", "plugins"]
    work = tempfile.mkdtemp(prefix="switchback-campaign-")
    data = ROOT / "Tests/Samples/mnist"
    if os.environ.get("CAMPAIGN_DATA"):
        data = os.environ["CAMPAIGN_DATA"]
    campaign = Campaign(pathlib.Path(options.binary).resolve(), work, data, options.seed, options.hours)
    for part in parts:
        begin = time.time()
        getattr(campaign, part)()
        print(f"{part}: {time.time() - begin:.0f} s", flush=True)
    print(f"{len(faults)} faults" + (f"; what was kept is in {work}" if faults else ""))
    if not faults:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
