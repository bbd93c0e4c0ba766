import Foundation
import TestFiles
import Testing

/// A folder with a tiny MNIST of its own.
func dataFolder(damaging file: String? = nil) throws -> String {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("data-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  for part in ["train", "t10k"] {
    let count = part == "train" ? 640 : 64
    var images = Data([0, 0, 8, 3, 0, 0, UInt8(count / 256), UInt8(count % 256), 0, 0, 0, 28, 0, 0, 0, 28])
    var labels = Data([0, 0, 8, 1, 0, 0, UInt8(count / 256), UInt8(count % 256)])
    for n in 0..<count {
      images.append(contentsOf: (0..<784).map { UInt8($0 / 79 == n % 10 ? 220 : 10) })
      labels.append(UInt8(n % 10))
    }
    for (name, data) in [("\(part)-images-idx3-ubyte", images), ("\(part)-labels-idx1-ubyte", labels)] {
      try (name == file ? data.dropLast(5) : data).write(to: folder.appendingPathComponent(name))
    }
  }
  return folder.path
}

@Suite struct CommandLineTests {
  @Test("training writes its run folder and says the test accuracy")
  func train() throws {
    let runs = temporary()
    let outcome = try switchback(
      "train", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", try dataFolder(), "--runs", runs,
      "--epochs", "2")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.output.hasPrefix("test "))
    #expect(outcome.error.contains("all on reference"))
    #expect(outcome.error.contains("epochs are validated on the test set"))
    let summary =
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: runs + "/latest/summary.json"))) as? [String: Any]
    for key in ["testAccuracy", "testLoss", "seconds", "samplesPerSecond", "backend", "seed", "epochs"] {
      #expect(summary?[key] != nil, "\(key)")
    }
    let metrics = try String(contentsOfFile: runs + "/latest/metrics.jsonl", encoding: .utf8).split(separator: "\n")
    #expect(metrics.count == 22)
    #expect(metrics[0].contains("\"step\":1") && metrics[0].contains("\"loss\":"))
  }

  @Test("a finding that the configuration stops at ends with status 3")
  func finding() throws {
    let runs = temporary()
    let outcome = try switchback(
      "train", "configs/deep-sigmoid-mlp.yaml", "--backend", "reference", "--data", try dataFolder(), "--runs", runs,
      "--epochs", "20", "--set", "monitor.action=stop")
    #expect(outcome.status == 3)
    let end = try #require(outcome.error.split(separator: "\n").last)
    let told = /stopped after step [0-9]+ because of vanishingGradient in layers.* \(monitor.action: stop\)/
    #expect(end.prefixMatch(of: told) != nil && end.hasSuffix("--set monitor.action=warn goes on"), "\(end)")
    #expect(
      try String(contentsOfFile: runs + "/latest/findings.jsonl", encoding: .utf8).contains(
        "\"rule\":\"vanishingGradient\""))
  }

  @Test("bad keys end with 78 and are all said")
  func badConfiguration() throws {
    let outcome = try switchback(
      "config", "check", "configs/mnist-cnn.yaml", "--set", "training.lr=1", "--set", "optimzer.momentum=0.9")
    #expect(outcome.status == 78)
    #expect(outcome.error.contains("2 problems"))
    #expect(outcome.error.contains("learning_rate"))
  }

  @Test("layers that do not fit end with 78 and name both layers and shapes")
  func badShapes() throws {
    let outcome = try switchback(
      "train", "configs/mnist-cnn.yaml", "--backend", "reference", "--data", try dataFolder(), "--runs", temporary(),
      "--set", "model.layers.5=relu")
    #expect(outcome.status == 78, "\(outcome.error)")
    #expect(outcome.error.contains("flatten") && outcome.error.contains("layers.6.dense"))
  }

  @Test("a loss that takes logits for probabilities is warned of, and not where from_logits says so")
  func logits() throws {
    let words = "he loss takes the results of layers.7.dense for probabilities, but they come from no softmax"
    for (set, isTold) in [("model.layers.7.dense={units: 10}", true), ("training.seed=1", false)] {
      let check = try switchback("config", "check", "configs/mnist-cnn.yaml", "--set", set)
      #expect(check.status == 0 && check.error.contains("warning: t" + words) == isTold, "\(check.error)")
    }
    let outcome = try switchback(
      "train", "configs/mnist-cnn.yaml", "--backend", "reference", "--data", try dataFolder(), "--runs", temporary(),
      "--steps", "1", "--set", "model.layers.7.dense={units: 10}")
    #expect(outcome.status == 0 && outcome.error.contains("lossTakesOutput"), "\(outcome.error)")
    #expect(outcome.error.contains("T" + words), "\(outcome.error)")
    let logits = try switchback(
      "config", "check", "configs/mnist-cnn.yaml", "--set", "model.layers.7.dense={units: 10}", "--set",
      "training.loss={type: categorical_crossentropy, from_logits: true}")
    #expect(logits.status == 0 && !logits.error.contains("softmax"), "\(logits.error)")
  }

  @Test("a missing configuration or data set ends with 66")
  func missing() throws {
    #expect(try switchback("train", "configs/none.yaml").status == 66)
    // Whoever names a folder means it, wherever else the data are.
    let outcome = try switchback(
      "train", "configs/mnist-mlp.yaml", "--data", "/nowhere",
      environment: ["SWITCHBACK_DATA": try dataFolder(), "XDG_CACHE_HOME": "/nowhere"])
    #expect(outcome.status == 66)
    #expect(outcome.error.contains("train-images-idx3-ubyte.gz"))
  }

  @Test("a damaged data file ends with 65 and says expected and found")
  func corrupt() throws {
    let outcome = try switchback(
      "train", "configs/mnist-mlp.yaml", "--data", try dataFolder(damaging: "train-images-idx3-ubyte"))
    #expect(outcome.status == 65)
    #expect(outcome.error.contains("should hold 501760 bytes"))
  }

  @Test("a backend that is not there ends with 69 and lists the known ones")
  func noBackend() throws {
    let outcome = try switchback(
      "train", "configs/mnist-mlp.yaml", "--data", try dataFolder(), "--backend", "cuda", "--runs", temporary())
    #expect(outcome.status == 69)
    #expect(outcome.error.contains("reference"))
  }

  @Test("a run folder that cannot be written ends with 73")
  func cannotWrite() throws {
    let outcome = try switchback(
      "train", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", try dataFolder(), "--runs", "/proc/runs")
    #expect(outcome.status == 73, "\(outcome.error)")
  }

  @Test("a disk that is full ends with 74 and names the file")
  func fullDisk() throws {
    // A limit on the size of files stands for the disk: the checkpoint of 400 KB does not fit, the log does.
    let outcome = try shell(
      "ulimit -f 200; trap '' XFSZ; exec \(binary) train configs/mnist-mlp.yaml --backend reference --steps 2 "
        + "--data \(try dataFolder()) --runs \(temporary())")
    #expect(outcome.status == 74)
    #expect(outcome.error.contains("checkpoints/step-000000002.safetensors cannot be written"), "\(outcome.error)")
  }

  @Test("memory that cannot be had ends with 1 and says how much was asked for")
  func outOfMemory() throws {
    let outcome = try shell(
      "ulimit -v 8000000; exec \(binary) train configs/mnist-cnn.yaml --backend reference --threads 1 "
        + "--set training.batch_size=640 --set 'model.layers=[{conv2d: {filters: 100000, kernel_size: 3}}, flatten, "
        + "{dense: {units: 10, activation: softmax}}]' --data \(try dataFolder()) --runs \(temporary())")
    #expect(outcome.status == 1, "\(outcome.output)")
    #expect(outcome.error.contains("bytes"), "\(outcome.error)")
  }

  @Test("a system library that is missing is a reason in the list and 69 in a run, never a crash")
  func missingLibrary() throws {
    // An empty file of the library's name, found first, is as good as none.
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("libraries-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data().write(to: folder.appendingPathComponent("libopenblas.so.0"))
    let environment = ["LD_LIBRARY_PATH": folder.path]
    let list = try switchback("backends", environment: environment)
    #expect(list.status == 0)
    #expect(list.output.contains("libopenblas0") || list.output.contains("libopenblas-dev"), "\(list.output)")
    let run = try switchback(
      "train", "configs/mnist-mlp.yaml", "--data", try dataFolder(), "--runs", temporary(), environment: environment)
    #expect(run.status == 69)
    #expect(run.error.contains("libopenblas0") || run.error.contains("libopenblas-dev"), "\(run.error)")
  }

  @Test("a checkpoint of another network ends with 65 and names what differs")
  func foreignCheckpoint() throws {
    let (data, runs) = (try dataFolder(), temporary())
    let first = try switchback(
      "train", "configs/mnist-linear.yaml", "--backend", "reference", "--steps", "2", "--data", data, "--runs", runs)
    #expect(first.status == 0, "\(first.error)")
    let run = runs + "/latest"
    let config = try String(contentsOfFile: run + "/config.yaml", encoding: .utf8)
    try config.replacingOccurrences(of: "units: 10", with: "units: 12").write(
      toFile: run + "/config.yaml", atomically: true, encoding: .utf8)
    let outcome = try switchback("evaluate", run, "--data", data)
    #expect(outcome.status == 65, "\(outcome.error)")
    #expect(outcome.error.contains("layers.1.dense/"), "\(outcome.error)")
  }

  @Test("an interrupt finishes the step, says how to go on, and ends with 130")
  func interrupted() throws {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: binary)
    process.currentDirectoryURL = URL(fileURLWithPath: root)
    process.arguments = [
      "train", "configs/mnist-mlp.yaml", "--backend", "reference", "--epochs", "3000", "--data", try dataFolder(),
      "--runs", temporary(),
    ]
    process.standardError = output
    process.standardOutput = output
    try process.run()
    // The first line says that the run has begun.
    var text = output.fileHandleForReading.availableData
    process.interrupt()
    text += output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    let words = String(decoding: text, as: UTF8.self)
    #expect(words.contains("--resume"))
    let folder = words.split(separator: " ").last.map { $0.trimmingCharacters(in: .newlines) } ?? ""
    #expect(try switchback("checkpoint", "verify", folder).status == 0)
  }

  @Test("a loss that is not finite ends with 1, names the operation, and keeps the weights of the last good step")
  func nonFinite() throws {
    let runs = temporary()
    let outcome = try switchback(
      "train", "configs/deep-relu-he.yaml", "--backend", "reference", "--data", try dataFolder(), "--epochs", "9",
      "--runs", runs, "--set", "training.optimizer.learning_rate=1e9")
    #expect(outcome.status == 1, "\(outcome.error)")
    #expect(outcome.error.contains("made the first value that is infinite or not a number"))
    #expect(outcome.error.contains("learning_rate") && outcome.error.contains("/checkpoints"))
    #expect(try switchback("checkpoint", "verify", runs + "/latest").status == 0)
    let finding = try String(contentsOfFile: runs + "/latest/findings.jsonl", encoding: .utf8)
    #expect(finding.contains("\"rule\":\"nonFinite\"") && finding.contains("layers."))
  }

  @Test("wrong usage ends with 64; help and version with 0")
  func usage() throws {
    #expect(try switchback("train").status == 64)
    #expect(try switchback("--help").status == 0)
    #expect(try switchback("--version").output == "0.1.0\n")
  }

  @Test("killed at random moments and resumed: the final weights are those of a run that was left alone")
  func kills() throws {
    let (data, whole, cut) = (try dataFolder(), temporary(), temporary())
    let arguments = [
      "train", "configs/mnist-mlp.yaml", "--data", data, "--epochs", "12", "--set", "training.checkpoint_steps=3",
      "--set", "data.prefetch=true",
      "--set", "backend.fallback=[reference]", "--backend", "reference", "--set",
      "model.layers=[flatten, dense: {units: 128, activation: relu}, dropout: {rate: 0.2}, dense: {units: 10, activation: softmax}]",
    ]
    func run(
      _ more: [String], killAfter seconds: Double? = nil, signal: Int32 = SIGKILL, when isDue: () -> Bool = { true }
    ) throws -> Int32 {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: binary)
      process.arguments = arguments + more
      process.currentDirectoryURL = URL(fileURLWithPath: root)
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      if let seconds {
        usleep(UInt32(seconds * 1e6))
        while process.isRunning, !isDue() { usleep(10_000) }
        kill(process.processIdentifier, signal)
      }
      process.waitUntilExit()
      return process.terminationStatus
    }
    #expect(try run(["--runs", whole]) == 0)
    _ = try run(["--runs", cut], killAfter: 0.25)
    let folder = cut + "/latest"
    let kills = runsLongTests ? 20 : 5
    for index in 0..<kills {
      // Before the first checkpoint there is nothing to go on from.
      if !FileManager.default.fileExists(atPath: folder + "/checkpoints") {
        _ = try run(["--runs", cut], killAfter: 0.4)
        continue
      }
      _ = try run(
        ["--resume", folder], killAfter: 0.08 + Double(index * 37 % 11) * 0.02,
        signal: index % 2 == 0 ? SIGKILL : SIGINT)
    }
    #expect(try run(["--resume", folder]) == 0)
    let newest = "/latest/checkpoints/step-000000120.safetensors"
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: whole + newest)) == Data(contentsOf: URL(fileURLWithPath: cut + newest))
    )
    #expect(try switchback("checkpoint", "verify", folder).status == 0)
    #expect(try switchback("evaluate", folder, "--data", data).output.hasPrefix("test "))
    #expect(try switchback("predict", folder, "--data", data, "--index", "3").output.contains("label: 3"))
    let steps = try String(contentsOfFile: folder + "/metrics.jsonl", encoding: .utf8).split(separator: "\n")
      .filter { $0.contains("stepInEpoch") }
    #expect(steps.count == 120)

    // Without a configuration it is the run's own; what is refused leaves the run as it is.
    let own = folder + "/config.yaml"
    let before = try String(contentsOfFile: own, encoding: .utf8)
    let refused = try switchback("train", "--resume", folder, "--seed", "2")
    #expect(refused.status != 0 && refused.error.contains("another seed"), "\(refused.error)")
    #expect(try String(contentsOfFile: own, encoding: .utf8) == before)
    let summary = try String(contentsOfFile: folder + "/summary.json", encoding: .utf8)
    let again = try switchback("train", "--resume", folder)
    #expect(again.status == 0 && again.error.contains("is complete at step 120"), "\(again.error)")
    #expect(try String(contentsOfFile: folder + "/summary.json", encoding: .utf8) == summary)
    let longer = try switchback("train", "--resume", folder, "--epochs", "13")
    #expect(longer.status == 0, "\(longer.error)")
    let lines = longer.error.split(separator: "\n")
    #expect(lines.contains("going on with another training.epochs: 13, not 12"), "\(longer.error)")
    #expect(try String(contentsOfFile: own, encoding: .utf8).contains("epochs: 13"))
    // Interrupted or killed, it has no result that another --resume could take for its own.
    _ = try run(["--resume", folder, "--epochs", "4000"], killAfter: 0) {
      (try? String(contentsOfFile: own, encoding: .utf8).contains("epochs: 4000")) == true
    }
    for result in ["summary.json", "evaluation.json", "report.html"] {
      #expect(!FileManager.default.fileExists(atPath: folder + "/" + result))
    }
    #expect(try switchback("train", "--resume", data).error.contains("is no run folder"))
    let elsewhere = try switchback("train", "--resume", folder, "--runs", data)
    #expect(elsewhere.status == 64 && elsewhere.error.contains("its own folder"), "\(elsewhere.error)")
  }

  @Test("backends --json is one array with names, reasons and devices")
  func backends() throws {
    let outcome = try switchback("backends", "--json")
    let rows = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
    let reference = try #require(rows?.first { $0["name"] as? String == "reference" })
    #expect(reference["available"] as? Bool == true)
    #expect((reference["devices"] as? [Any])?.count == 1)
  }

  @Test("inspect says what the layers of a graph read, and draws them")
  func inspectGraph() throws {
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let drawing = folder + "/network.svg"
    let arguments = ["inspect", "configs/resnet20-fashion.yaml", "--backend", "reference", "--svg", drawing]
    let outcome = try switchback(arguments)
    #expect(outcome.status == 0, "\(outcome.error)")
    let join = try #require(outcome.output.split(separator: "\n").first { $0.contains("block.layers.0.residual  ") })
    #expect(join.contains("layers.4.batchNormalization, ") && join.hasSuffix("2.activation"))
    let svg = try String(contentsOfFile: drawing, encoding: .utf8)
    #expect(svg.hasPrefix("<svg ") && svg.contains(">images<") && svg.components(separatedBy: "<rect").count == 65)
    let again = try switchback(arguments)
    #expect(again.status == 73 && again.error.contains("is there already"))
    #expect(!(try switchback("inspect", "configs/mnist-cnn.yaml", "--backend", "reference").output.contains("reads")))
    // A name of points alone has no parts.
    let points = try write(
      """
      version: 1
      model:
        inputs: images
        layers:
          - flatten
          - dense: {units: 4, name: "."}
          - dense: {units: 4, name: b}
          - concatenate: {inputs: [".", b]}
          - dense: {units: 10, activation: softmax}
      data:
        dataset: mnist
      training:
        epochs: 1
        optimizer: {type: sgd, learning_rate: 0.1}
      """.utf8, to: folder + "/points.yaml")
    let named = try switchback("inspect", points, "--backend", "reference")
    #expect(named.status == 0 && named.output.contains("  ., "), "\(named.error)")
  }

  @Test("inspect says who runs every operation, and its program text is the program")
  func inspect() throws {
    // Without any data: the shapes of MNIST are known.
    let outcome = try switchback("inspect", "configs/mnist-cnn.yaml", "--backend", "reference")
    #expect(outcome.status == 0)
    #expect(!outcome.output.contains("layers.2.conv2d/backwardFilter"))
    #expect(outcome.output.contains("93322 parameters"))
    let all = try switchback("inspect", "configs/mnist-cnn.yaml", "--backend", "reference", "--operations")
    #expect(all.output.contains("layers.2.conv2d/backwardFilter"))
    #expect(all.output.hasPrefix(String(outcome.output.prefix(300))))
    let json = try switchback("inspect", "configs/mnist-cnn.yaml", "--backend", "reference", "--json").output
    let inspection = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let layers = try #require(inspection["layers"] as? [[String: Any]])
    #expect(layers.map { $0["parameterCount"] as? Int } == [320, 0, 18496, 0, 36928, 0, 36928, 650])
    #expect(layers[0]["outputShape"] as? [Int] == [64, 26, 26, 32])
    let operations = try #require(inspection["operations"] as? [[String: Any]])
    // 64 images of 26 × 26 × 32 results, each a sum of nine products.
    #expect(
      operations.first { $0["label"] as? String == "layers.0.conv2d" }?["flops"] as? Int == 2 * 9 * 64 * 26 * 26 * 32)
  }

  @Test("config init writes a configuration that is valid, and replaces none unasked")
  func configInit() throws {
    let file = temporary() + ".yaml"
    #expect(try switchback("config", "init", file, "--dataset", "mnist").status == 0)
    #expect(try switchback("config", "check", file).status == 0)
    #expect(try switchback("config", "init", file).status == 73)
    #expect(try switchback("config", "init", file, "--force").output.contains("switchback train \(file)"))
    #expect(try switchback("config", "init").output == String(contentsOfFile: file, encoding: .utf8))
    #expect(try switchback("config", "init", "--dataset", "cats").error.contains("known: "))
    #expect(try switchback("config", "init", "/proc/none/x.yaml").status == 73)
    let problems = try switchback("config", "check", file, "--json", "--set", "training.epoch=1")
    #expect(problems.status == 78 && problems.output.hasPrefix("[{\"file\":"))
    #expect(try switchback("config", "check", file, "--json").output == "[]\n")
    let elsewhere = try switchback("config", "check", file, "--backend", "opnblas")
    #expect(elsewhere.status == 78 && elsewhere.error.contains("no backend called opnblas; did you mean openblas?"))
    let option = try switchback("config", "check", file, "--set", "backend.reference.forse=true")
    #expect(option.status == 78 && option.error.contains("no option forse"), "\(option.error)")
    let shapes = try switchback("config", "check", "configs/mnist-cnn.yaml", "--set", "model.layers.5=relu")
    #expect(shapes.status == 78 && shapes.error.contains("layers.6.dense"), "\(shapes.error)")
    let folder = try switchback("config", "check", NSTemporaryDirectory())
    #expect(folder.status == 66 && folder.error.contains("is a folder, and no run's"), "\(folder.error)")
    #expect(try switchback("config", "schema").output.contains("\"$schema\""))
  }

  @Test("evaluate and report say what a finished run is worth")
  func finishedRun() throws {
    let runs = temporary()
    _ = try switchback(
      "train", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", try dataFolder(), "--runs", runs,
      "--epochs", "1")
    let outcome = try switchback("evaluate", runs + "/latest", "--best", "--confusion", "--json")
    #expect(outcome.status == 0)
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let summary = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: runs + "/latest/summary.json")))
        as? [String: Any])
    #expect(result["testAccuracy"] as? Double == summary["testAccuracy"] as? Double)
    #expect(result["testTop5Accuracy"] as? Double == summary["testTop5Accuracy"] as? Double)
    #expect(summary["forksPerStep"] is Double && (summary["peakBytes"] as? Int ?? 0) > 1_000_000)
    let page = try String(contentsOfFile: runs + "/latest/report.html", encoding: .utf8)
    #expect(page.contains("loss by step") && page.contains("Gradient flow") && page.contains("who was taken for whom"))
    let table = try String(contentsOfFile: runs + "/latest/metrics.csv", encoding: .utf8)
    #expect(table.hasPrefix("epoch,step,loss,accuracy,") && table.split(separator: "\n").count == 2)
    let environment = try String(contentsOfFile: runs + "/latest/environment.json", encoding: .utf8)
    #expect(environment.contains("\"plan\":\"") && environment.contains("reference: host"))
    #expect(try switchback("report", runs + "/latest", "--output", runs + "/page.html").status == 0)
    #expect(try String(contentsOfFile: runs + "/page.html", encoding: .utf8) == page)
    #expect(try switchback("report", runs).status == 66)
  }

  @Test("the program exports no symbol of ours that a plugin could bind to")
  func exports() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["nm", "-D", "--defined-only", binary]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(!text.contains("Switchback") && !text.contains(" sb_"))
  }
}
