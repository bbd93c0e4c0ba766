import Foundation
import SwitchbackInterchange
import TestFiles
import Testing

/// A run of a few steps on the sample's digits.
private func arguments(_ runs: String, steps: Int = 2) throws -> [String] {
  [
    "train", "configs/mnist-linear.yaml", "--backend", "reference", "--steps", "\(steps)", "--data", try dataFolder(),
    "--runs", runs,
  ]
}

/// Every file and folder below, with the contents of files and the targets of links.
private func contents(below folder: String) throws -> [String: Data] {
  var found: [String: Data] = [:]
  let files = FileManager.default
  for path in try files.subpathsOfDirectory(atPath: folder) {
    let whole = folder + "/" + path
    if let target = try? files.destinationOfSymbolicLink(atPath: whole) {
      found[path] = Data("-> \(target)".utf8)
    } else {
      found[path] = (try? Data(contentsOf: URL(fileURLWithPath: whole))) ?? Data("folder".utf8)
    }
  }
  return found
}

@Suite struct RunFolderTests {
  @Test("a run finds its data from any folder")
  func absolutePath() throws {
    let runs = temporary()
    let trained = try switchback(
      "train", "configs/mnist-linear.yaml", "--backend", "reference", "--steps", "2", "--data", "Tests/Samples/mnist",
      "--runs", runs)
    #expect(trained.status == 0, "\(trained.error)")
    let config = try String(contentsOfFile: runs + "/latest/config.yaml", encoding: .utf8)
    #expect(config.contains("path: \(root)/Tests/Samples/mnist\n"), "\(config)")
    let evaluated = try shell("cd / && '\(binary)' evaluate '\(runs)/latest'")
    #expect(evaluated.status == 0, "\(evaluated.error)")
  }

  @Test("a run, or the link to it, stands for its configuration; train says what to give in its place")
  func standsForConfiguration() throws {
    let runs = temporary()
    let trained = try switchback(arguments(runs))
    try #require(trained.status == 0, "\(trained.error)")
    for command in [["inspect"], ["config", "show"], ["config", "check"], ["backends", "--explain"]] {
      let outcome = try switchback(command + [runs + "/latest"])
      #expect(outcome.status == 0, "\(command): \(outcome.error)")
    }
    let refused = try switchback("inspect", runs)
    #expect(refused.status == 66 && refused.error.contains("give the file of a configuration"), "\(refused.error)")
    let train = try switchback("train", runs + "/latest")
    #expect(train.status == 66 && train.error.contains("train --resume \(runs)/latest goes on"), "\(train.error)")
  }

  @Test("runs/latest moves on where it is our link; a folder, a file or a link of the user's is left alone, and said")
  func latest() throws {
    let runs = temporary()
    let (latest, files) = (runs + "/latest", FileManager.default)
    for _ in 0..<2 {
      let outcome = try switchback(arguments(runs))
      #expect(outcome.status == 0 && !outcome.error.contains("left alone"), "\(outcome.error)")
    }
    let newest = try files.destinationOfSymbolicLink(atPath: latest)
    #expect(try files.contentsOfDirectory(atPath: runs).filter { $0.hasPrefix("mnist-linear") }.max() == newest)

    let precious = try write(Array("mine".utf8), to: runs + "/precious/weights.txt")
    for make in [
      { try files.createDirectory(atPath: latest + "/deep", withIntermediateDirectories: true) },
      { try files.createSymbolicLink(atPath: latest, withDestinationPath: runs + "/precious") },
      { try files.createSymbolicLink(atPath: latest, withDestinationPath: "precious") },
      { try Data("a file".utf8).write(to: URL(fileURLWithPath: latest)) },
    ] {
      try files.removeItem(atPath: latest)
      try make()
      let before = try contents(below: runs)
      let outcome = try switchback(arguments(runs))
      #expect(outcome.status == 0 && outcome.error.contains("latest is not the link"), "\(outcome.error)")
      let after = try contents(below: runs)
      for (path, contents) in before { #expect(after[path] == contents, "\(path)") }
    }
    #expect(try String(contentsOfFile: precious, encoding: .utf8) == "mine")
    // A link of ours whose run is gone is ours still.
    try files.removeItem(atPath: latest)
    try files.createSymbolicLink(atPath: latest, withDestinationPath: "mnist-linear-gone")
    #expect(try !switchback(arguments(runs)).error.contains("left alone"))
    #expect(try files.destinationOfSymbolicLink(atPath: latest) != "mnist-linear-gone")
  }

  @Test("a name that leaves the folder of runs, and no folder of runs, are errors")
  func names() throws {
    for name in ["../../x", "a/b", "..", ".hidden", "", "a\\nb", String(repeating: "x", count: 201)] {
      let outcome = try switchback(arguments(temporary()) + ["--set", "name=\"\(name)\""])
      #expect(outcome.status == 78 && outcome.error.contains("becomes a folder's name"), "\(name): \(outcome.error)")
    }
    let outcome = try switchback(arguments(""))
    #expect(outcome.status == 78 && outcome.error.contains("training.runs must name a folder"), "\(outcome.error)")
  }

  @Test("values of options are literal text, whatever YAML would make of them")
  func literal() throws {
    let folder = try temporaryFolder()
    for name in ["out #1", "a: b", "- x", "\"quoted\" \\ é\u{7f}", "true"] {
      let runs = "\(folder)/\(name)"
      #expect(try switchback(arguments(runs)).status == 0)
      #expect(FileManager.default.fileExists(atPath: runs + "/latest/summary.json"), "\(name)")
    }
    let library = folder + "/a #1.so"
    try FileManager.default.copyItem(
      atPath: compilePlugin("Backends/Template/template_backend.c"), toPath: library)
    let outcome = try switchback("backends", "--explain", "configs/mnist-linear.yaml", "--backend", library)
    #expect(outcome.status == 0, "\(outcome.error)")
  }

  @Test("six starts at once have six folders, each with its own numbers")
  func exclusive() throws {
    let runs = temporary()
    let arguments = try arguments(runs, steps: 5)
    let processes = try (0..<6).map { _ in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: binary)
      process.arguments = arguments
      process.currentDirectoryURL = URL(fileURLWithPath: root)
      (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
      try process.run()
      return process
    }
    for process in processes {
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    let folders = try FileManager.default.contentsOfDirectory(atPath: runs).filter { $0 != "latest" }
    #expect(folders.count == 6)
    for folder in folders {
      let lines = try String(contentsOfFile: "\(runs)/\(folder)/metrics.jsonl", encoding: .utf8)
        .split(separator: "\n")
      #expect(lines.filter { $0.contains("stepInEpoch") }.count == 5, "\(folder)")
    }
  }

  @Test("who goes on with a run that somebody writes to is refused, and told by whom")
  func locked() throws {
    let runs = temporary()
    #expect(try switchback(arguments(runs)).status == 0)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: binary)
    process.arguments = [
      "train", "--resume", runs + "/latest", "--epochs", "100000", "--set", "training.steps=null",
    ]
    process.currentDirectoryURL = URL(fileURLWithPath: root)
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    let log = runs + "/latest/metrics.jsonl"
    func lines() -> Int { (try? Data(contentsOf: URL(fileURLWithPath: log)))?.count(where: { $0 == 10 }) ?? 0 }
    while process.isRunning, lines() < 20 { usleep(10_000) }
    let second = try switchback("train", "--resume", runs + "/latest", "--epochs", "100001")
    #expect(second.status == 73, "\(second.error)")
    #expect(second.error.contains("process \(process.processIdentifier) writes to"), "\(second.error)")
    // To read is no harm.
    #expect(try switchback("checkpoint", "verify", runs + "/latest").status == 0)
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    // A killed process holds no lock.
    let checkpoints = try FileManager.default.contentsOfDirectory(atPath: runs + "/latest/checkpoints")
    let newest = try #require(checkpoints.compactMap { Int($0.dropFirst(5).prefix { $0.isNumber }) }.max())
    #expect(try switchback("train", "--resume", runs + "/latest", "--steps", "\(newest + 3)").status == 0)
    #expect(FileManager.default.fileExists(atPath: runs + "/latest/summary.json"))
  }

  @Test("a resume keeps what cannot be parsed, drops what is trained again, and removes what killed writers left")
  func resume() throws {
    let runs = temporary()
    let run = runs + "/latest"
    // Ended in the middle of the first epoch: its line is written again when it has ended.
    #expect(try switchback(arguments(runs, steps: 3) + ["--set", "training.batch_size=20"]).status == 0)
    let log = URL(fileURLWithPath: run + "/metrics.jsonl")
    let own = Data([0xff, 0xfe, 0x20]) + Data("a note of mine\n{\"step\":2,\"torn".utf8)
    try (Data(contentsOf: log) + own).write(to: log)
    let dead = try switchback("--version").status == 0 ? 4_000_000 : 0
    let left = [
      "config.yaml.partial-\(dead)", "checkpoints/step-000000003.safetensors.partial-\(dead)",
      ".dat.nosync\(String(dead, radix: 16)).a1b2c3",
    ]
    let kept = ["notes.partial-x", "checkpoints/step-mine.safetensors", "summary.partial-\(getpid())"]
    for name in left + kept { try write(Array("x".utf8), to: run + "/" + name) }
    let outcome = try switchback("train", "--resume", run, "--steps", "6", "--set", "training.keep_checkpoints=1")
    #expect(outcome.status == 0, "\(outcome.error)")
    let bytes = try Data(contentsOf: log)
    #expect(bytes.range(of: Data([0xff, 0xfe, 0x20]) + Data("a note of mine\n".utf8)) != nil)
    let lines = bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    for step in 1...6 {
      #expect(lines.filter { $0.contains("stepInEpoch") && $0.contains("\"step\":\(step),") }.count == 1)
    }
    #expect(lines.filter { $0.contains("validationLoss") && $0.contains("\"epoch\":1,") }.count == 1, "\(lines)")
    #expect(try switchback("report", run).status == 0)
    for name in left { #expect(!FileManager.default.fileExists(atPath: run + "/" + name), "\(name)") }
    for name in kept { #expect(FileManager.default.fileExists(atPath: run + "/" + name), "\(name)") }
  }

  @Test("a run that was ended between its summary and its page gets the page, and says its epochs rightly")
  func page() throws {
    let runs = temporary()
    let run = runs + "/latest"
    func epochs() throws -> Int? {
      let text = try Data(contentsOf: URL(fileURLWithPath: run + "/summary.json"))
      return (try JSONSerialization.jsonObject(with: text) as? [String: Any])?["epochs"] as? Int
    }
    #expect(try switchback(arguments(runs, steps: 3) + ["--set", "training.batch_size=20"]).status == 0)
    let before = try epochs()
    try FileManager.default.removeItem(atPath: run + "/report.html")
    #expect(try switchback("train", "--resume", run).status == 0)
    #expect(FileManager.default.fileExists(atPath: run + "/report.html"))
    // Ended before its test.
    try FileManager.default.removeItem(atPath: run + "/summary.json")
    let lines = try Data(contentsOf: URL(fileURLWithPath: run + "/metrics.jsonl"))
    #expect(try switchback("train", "--resume", run).status == 0)
    #expect(try epochs() == before && before == 1)
    #expect(try Data(contentsOf: URL(fileURLWithPath: run + "/metrics.jsonl")) == lines)
  }

  @Test("runs lists what is finished, stopped, lost and running")
  func listing() throws {
    let runs = temporary()
    #expect(try switchback("runs", runs).status == 66)
    #expect(try switchback(arguments(runs)).status == 0)
    let name = try FileManager.default.destinationOfSymbolicLink(atPath: runs + "/latest")
    func rows() throws -> [String: [String: Any]] {
      let outcome = try switchback("runs", runs, "--json")
      let list = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
      return Dictionary(uniqueKeysWithValues: try #require(list).map { ($0["run"] as? String ?? "", $0) })
    }
    let whole = try #require(try rows()[name])
    #expect(whole["state"] as? String == "finished" && whole["testLoss"] is Double && whole["backend"] is String)
    #expect(try switchback("runs", runs).output.contains("\(name)  finished"))
    let copy = runs + "/copy"
    try FileManager.default.copyItem(atPath: runs + "/" + name, toPath: copy)
    try FileManager.default.removeItem(atPath: copy + "/summary.json")
    #expect(try rows()["copy"]?["state"] as? String == "stopped")
    let lock = try FolderLock(copy)
    #expect(try rows()["copy"]?["state"] as? String == "running")
    withExtendedLifetime(lock) {}
    try FileManager.default.removeItem(atPath: copy + "/checkpoints")
    try write(Array("no run".utf8), to: runs + "/notes/readme.txt")
    try write([0xff, 0x00], to: copy + "/metrics.jsonl")
    let last = try rows()
    #expect(["lost", "running"].contains(last["copy"]?["state"] as? String) && last.count == 2)
  }

  @Test("of a run that was killed before its first checkpoint is said which it is, what it lacks and what to do")
  func lost() throws {
    let runs = temporary()
    #expect(try switchback(arguments(runs)).status == 0)
    let whole = try FileManager.default.destinationOfSymbolicLink(atPath: runs + "/latest")
    let killed = try switchback(arguments(runs))
    #expect(killed.status == 0, "\(killed.error)")
    let name = try FileManager.default.destinationOfSymbolicLink(atPath: runs + "/latest")
    #expect(name != whole)
    let run = runs + "/" + name
    for file in ["checkpoints", "summary.json", "evaluation.json"] {
      try? FileManager.default.removeItem(atPath: run + "/" + file)
    }
    let words = [
      "\(run) has no complete checkpoint: it ended before its first one",
      "switchback train \(run)/config.yaml starts it again", "the run before it that has one is \(runs)/\(whole)",
    ]
    for command in [
      ["train", "--resume"], ["evaluate"], ["predict", "--index", "1"], ["checkpoint", "verify"],
      try arguments(temporary()) + ["--from"],
    ] {
      let outcome = try switchback(command + [runs + "/latest"])
      #expect(
        outcome.status != 0 && words.allSatisfy(outcome.error.contains), "\(command): \(outcome.error)")
    }
    let slashed = try switchback("evaluate", run + "/")
    #expect(slashed.status != 0 && slashed.error.contains(words[2]), "\(slashed.error)")
    let listed = try switchback("runs", runs)
    #expect(listed.status == 0 && listed.error.contains("lost: it ended before its first checkpoint"), "\(listed)")
    #expect(listed.error.contains("train \(run)/config.yaml starts it again"))
  }

  @Test("a report is made of numbers that no Int holds", arguments: ["9223372036854775808", "\"nan\"", "-1e300"])
  func numbers(number: String) throws {
    let runs = temporary()
    #expect(try switchback(arguments(runs)).status == 0)
    let summary = runs + "/latest/summary.json"
    let text = try String(contentsOfFile: summary, encoding: .utf8)
    let changed = text.replacing(/"samplesPerSecond":[^,}]*/, with: "\"samplesPerSecond\":\(number)")
    #expect(changed != text)
    try write(Array(changed.utf8), to: summary)
    let report = try switchback("report", runs + "/latest")
    #expect(report.status == 0, "\(report.error)")
    #expect(try switchback("runs", runs).status == 0)
  }

  @Test(
    "curves are drawn of numbers that cannot be told apart, and of the largest",
    arguments: ["9007199254740992", "1e17", "-1e17", "1e30", "1e300", "1.7e308", "-1.7e308", "0", "1e-320"])
  func curves(number: String) throws {
    let runs = temporary()
    #expect(try switchback(arguments(runs)).status == 0)
    let metrics = runs + "/latest/metrics.jsonl"
    let text = try String(contentsOfFile: metrics, encoding: .utf8)
    let lines = text.replacing(/"(loss|accuracy|validationLoss|validationAccuracy)":[^,}]*/) {
      "\"\($0.output.1)\":\(number)"
    }
    #expect(lines != text)
    // The numbers once more, and beside them others far away.
    try write(Array((lines + lines + (number == "1.7e308" ? text : "")).utf8), to: metrics)
    let report = try switchback("report", runs + "/latest")
    #expect(report.status == 0, "\(report.error)")
    let page = try String(contentsOfFile: runs + "/latest/report.html", encoding: .utf8)
    #expect(!page.contains("=\"nan") && !page.contains("=\"inf") && !page.contains("nan,") && !page.contains(",inf"))
  }

  @Test("no command removes or changes what it did not make")
  func tree() throws {
    let folder = try temporaryFolder()
    let (run, config) = (folder + "/runs/latest", root + "/configs/mnist-linear.yaml")
    let trained = try switchback(arguments(folder + "/runs"))
    #expect(trained.status == 0, "\(trained.error)")
    for name in [
      "diff.program", "failure-1.program", "summary.json", "report.html", "out.csv", "checkpoints/step-000000001.txt",
      "runs/mnist-linear/config.yaml", "datasets/mnist/x", "store/y", "latest/config.yaml",
    ] { try write(Array("mine".utf8), to: "\(folder)/\(name)") }
    let data = try dataFolder()
    let digit = try write(
      PNG.encode(width: 28, height: 28, channels: 1, pixels: [UInt8](repeating: 0, count: 784)),
      to: folder + "/digit.png")
    let before = try contents(below: folder)
    /// With what a command's help says that it writes.
    let commands: [(words: [String], writes: [String])] = [
      (["evaluate", run, "--data", data], []), (["predict", run, "--data", data, "--index", "1"], []),
      (["predict", run, digit, "--output", "predictions.csv"], ["predictions.csv"]),
      (["report", run, "--output", "page.html"], ["page.html"]), (["checkpoint", "verify", run], []),
      (["inspect", config], []), (["runs"], []), (["backends"], []), (["backends", "check", "reference"], []),
      (["backends", "--explain", config, "--backend", "reference"], []), (["backends", "operations"], []),
      (["conformance", "--backend", "reference", "--quick", "--filter", "matmul"], []),
      (["diff", config, "--backends", "reference,openblas", "--steps", "1", "--data", data], []),
      (["data"], []), (["data", "check", config, "--data", data], []), (["config", "show", config], []),
      (["config", "check", config], []), (["config", "schema"], []), (["config", "keys"], []),
      (["config", "init"], []),
      (["train", config, "--backend", "cuda"], []), (["train", "/nowhere.yaml"], []), (["--help"], []),
    ]
    for (words, writes) in commands {
      let outcome = try shell("cd \(folder) && exec \"$0\" \"$@\"", [binary] + words)
      #expect([0, 1, 64, 65, 66, 69, 78].contains(outcome.status), "\(words): \(outcome.status) \(outcome.error)")
      var after = try contents(below: folder)
      for name in writes { #expect(after.removeValue(forKey: name) != nil, "\(words)") }
      #expect(after == before, "\(words)")
      for name in writes { try FileManager.default.removeItem(atPath: folder + "/" + name) }
    }
  }

  @Test("an output that is a link or a device stays one")
  func outputs() throws {
    let runs = temporary()
    let run = runs + "/latest"
    #expect(try switchback(arguments(runs)).status == 0)
    let folder = try temporaryFolder()
    let target = try write(Array("old".utf8), to: folder + "/target.html")
    try FileManager.default.createSymbolicLink(atPath: folder + "/link.html", withDestinationPath: target)
    #expect(try switchback("report", run, "--output", folder + "/link.html").status == 0)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/link.html") == target)
    #expect(try String(contentsOfFile: target, encoding: .utf8).contains("<html"))
    // A link to what is not there yet, and one whose words are relative.
    try FileManager.default.createSymbolicLink(atPath: folder + "/new.html", withDestinationPath: "made.html")
    #expect(try switchback("report", run, "--output", folder + "/new.html").status == 0)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/new.html") == "made.html")
    #expect(try String(contentsOfFile: folder + "/made.html", encoding: .utf8).contains("<html"))
    // What a shell has opened: the page is whole, and what is said of it comes behind.
    for word in [">", ">>"] {
      let said = folder + "/said.html"
      try write(Array("before\n".utf8), to: said)
      #expect(
        try shell("\"$0\" \"$@\" \(word) \(said)", [binary, "report", run, "--output", "/dev/stdout"]).status == 0)
      let text = try String(contentsOfFile: said, encoding: .utf8)
      #expect(text.hasPrefix(word == ">" ? "<!doctype html>" : "before\n<!doctype html>"), "\(text.prefix(40))")
      #expect(text.hasSuffix("</html>\n/dev/stdout\n"), "\(text.suffix(40))")
    }
    // One that has lost its name.
    let open = try shell(
      "exec 9>\(folder)/gone 8<\(folder)/gone; rm \(folder)/gone; \"$0\" \"$@\" >&9 && cat <&8",
      [binary, "report", run, "--output", "/dev/stdout"])
    #expect(open.status == 0 && open.output.contains("</html>"), "\(open.error)")
    #expect(!FileManager.default.fileExists(atPath: folder + "/gone (deleted)"))
    #expect(try switchback("report", run, "--output", "/dev/null").status == 0)
    var status = stat()
    #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
    let outcome = try switchback("report", run, "--output", "/dev/full")
    #expect(outcome.status == 74 && outcome.error.contains("/dev/full cannot be written"), "\(outcome.error)")
    let nowhere = try switchback("report", run, "--output", folder + "/no/where.html")
    #expect(nowhere.status == 73 && nowhere.error.contains("cannot be made"), "\(nowhere.error)")
    let itself = try switchback("report", run, "--output", folder)
    #expect(itself.status == 73 && itself.error.contains("Is a directory"), "\(itself.error)")
  }
}
