import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private let source = "Tests/FusingBackend/fusing_backend.c"

/// One hidden layer whose 40 units leave a rest beside blocks of 16.
private func network() throws -> String {
  let text = """
    version: 1
    model:
      layers: [flatten, {dense: {units: 40, activation: relu}}, {dense: {units: 10, activation: softmax}}]
    data: {dataset: mnist}
    training: {batch_size: 64, loss: categorical_crossentropy, optimizer: {type: sgd, learning_rate: 0.1}}
    """
  return try write(text.utf8, to: temporary() + "/forty.yaml")
}

private func plugin(fault: Int) throws -> String {
  try compilePlugin(source, replacing: [("#define FAULT 0", "#define FAULT \(fault)")])
}

/// Two workers wherever there are two cores, so that three are always another setting.
private func diff(_ config: String, _ backends: String, _ more: [String] = []) throws -> Outcome {
  try switchback(
    ["diff", config, "--backends", backends, "--data", sampleFolder, "--steps", "3", "--threads", "2", "--replay"]
      + [temporary() + ".program"] + more)
}

private func line(_ start: String, _ text: String) throws -> String {
  let found = text.split(separator: "\n").first { $0.hasPrefix(start) }
  return try #require(found.map(String.init), "no line \(start): \(text)")
}

/// Runs what stands behind "again:" in a shell that knows the program, and asks for the same fault, in any of the words.
private func again(_ outcome: Outcome, shows faults: String...) throws {
  let command = try line("again: ", outcome.output).dropFirst("again: ".count)
  let shown = try printed(String(command))
  #expect(shown.status == 1, "\(command)\n\(shown.output)\(shown.error)")
  #expect(faults.contains { shown.output.contains($0) }, "\(command)\n\(shown.output)\(shown.error)")
}

@Suite(.enabled(if: Image.readsCompressedFiles, "this build reads no gzip files"))
struct DiffTests {
  @Test("right backends agree, with a batch of one less and with three workers", arguments: ["openblas", "fusing"])
  func right(name: String) throws {
    if name == "openblas" { try skipWithout(name) }
    let backend = name == "fusing" ? try plugin(fault: 0) : name
    let outcome = try diff("configs/mnist-mlp.yaml", "reference,\(backend)")
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
    #expect(outcome.output.contains("rounding alone explains "))
    let less = try line("a batch of 63: right: ", outcome.output)
    #expect(less.contains(" 0 wrong; 3 steps") && less.contains(" operations of \(backend) checked"), "\(less)")
    #expect(try line("3 workers: right: ", outcome.output).contains(" 0 wrong; 3 steps"))
    #expect(outcome.output.hasSuffix("reference and \(backend) agree\n"))
    #expect(!outcome.output.contains("again:"))
    let alone = try diff("configs/mnist-mlp.yaml", "reference,\(backend)", ["--as-configured"])
    #expect(alone.status == 0 && !alone.output.contains("a batch of 63") && !alone.output.contains("3 workers"))
  }

  @Test("the same backend twice differs nowhere, and no parameter is named")
  func same() throws {
    let outcome = try diff("configs/mnist-mlp.yaml", "reference,reference", ["--as-configured"])
    #expect(outcome.status == 0 && !outcome.output.contains("( in step"), "\(outcome.output)\(outcome.error)")
  }

  @Test(
    "an operation that is wrong alone, or in its kernel, is named, and again as the last line says",
    arguments: [
      (4, "layers.1.dense/matmul is wrong on"), (1, "layers.1.dense/add is wrong only inside its segment on"),
    ]
  )
  func wrong(fault: Int, message: String) throws {
    let library = try plugin(fault: fault)
    let outcome = try diff(try network(), "reference,\(library)")
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    #expect(try line("first wrong operation: ", outcome.output).contains(message))
    #expect(try line("reference and \(library) do not agree: ", outcome.output).contains("1 operation is wrong"))
    #expect(try line("again: ", outcome.output).contains("conformance --backend \(library)"))
    // A chain's operations have no layer.
    try again(outcome, shows: fault == 4 ? message : "add is wrong only inside its segment on")
  }

  @Test("rows beyond the last block show with a batch of one less alone")
  func oneLess() throws {
    let outcome = try diff("configs/mnist-mlp.yaml", "reference,\(try plugin(fault: 2))")
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    #expect(try line("a batch of 63: not right: ", outcome.output).contains("wrong; 3 steps"))
    #expect(try line("3 workers: right: ", outcome.output).contains(" 0 wrong"))
    #expect(try line("first wrong operation: ", outcome.output).contains("layers.1.dense/matmul is wrong"))
    #expect(outcome.output.contains("do not agree: a batch of 63: "))
    try again(outcome, shows: "layers.1.dense/matmul is wrong")
  }

  @Test("what three workers spoil shows on a machine with fewer cores too, and its command is this one")
  func threeWorkers() throws {
    let library = try compilePlugin(
      source,
      replacing: [
        ("#define FAULT 0", "static uint32_t workers;\n#define FAULT (workers == 3 ? 4 : 0)"),
        ("(*device)->host = host;", "(*device)->host = host;\n  workers = host->workers;"),
      ])
    let outcome = try diff(try network(), "reference,\(library)")
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    #expect(try line("a batch of 63: right: ", outcome.output).contains(" 0 wrong"))
    #expect(try line("3 workers: not right: ", outcome.output).contains(" 1 wrong"))
    try again(outcome, shows: "layers.1.dense/matmul is wrong")
  }

  @Test("a kernel that keeps the bias of its first run: operations are right, fresh executables heal the step")
  func keptAcrossRuns() throws {
    let library = try compilePlugin(
      source,
      replacing: [
        ("int relu, is_done;", "float *kept;\n  int relu, is_done;"),
        (
          "const float *bias = s->bias == SB_ABSENT ? NULL : views[s->bias].host;",
          """
          size_t bytes = (size_t)s->columns * sizeof(float);
            struct step *own = (struct step *)s;
            if (s->bias != SB_ABSENT && !s->kept) own->kept = memcpy(malloc(bytes), views[s->bias].host, bytes);
            const float *bias = s->bias == SB_ABSENT ? NULL : s->kept;
          """
        ),
      ])
    let outcome = try diff("configs/mnist-mlp.yaml", "reference,\(library)", ["--as-configured"])
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    #expect(outcome.output.contains("every operation is right by itself, and the step is not"))
    #expect(outcome.output.contains("fresh executables for each step: heals it – the backend keeps something"))
    #expect(!outcome.output.contains("one worker: heals"))
    // One run shows nothing: it takes the steps again, or a program that is run twice.
    try again(outcome, shows: "fresh executables for each step: heals it", "contents kept across runs")
  }

  @Test("a bias that is lost in long segments alone: segments of one operation heal the step")
  func longSegments() throws {
    let library = try compilePlugin(
      source,
      replacing: [
        (
          "if (is_bias) product->bias = after->b;",
          "if (is_bias && (i == 0 || made->count < 5)) product->bias = after->b;"
        )
      ])
    let outcome = try diff("configs/mnist-mlp.yaml", "reference,\(library)", ["--as-configured"])
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    #expect(outcome.output.contains("every operation is right by itself, and the step is not"))
    #expect(outcome.output.contains("fresh executables for each step: does not heal it"))
    #expect(outcome.output.contains("segments of one operation: heals it – "))
    #expect(!outcome.output.contains("one worker: heals"))
    #expect(try line("first wrong operation: ", outcome.output).contains("layers.2.dense/add together are wrong on"))
    #expect(try line("again: ", outcome.output).contains("conformance --backend \(library)"))
    try again(outcome, shows: "layers.2.dense/add together are wrong on")
  }

  @Test("the configuration's fallback runs what a backend declines, and is judged")
  func fallback() throws {
    try skipWithout("fft")
    let library = try plugin(fault: 4)
    let outcome = try diff(
      "configs/mnist-mlp.yaml", "reference,fft",
      ["--as-configured", "--set", "backend.fallback=[\"\(library)\", reference]"])
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    #expect(outcome.output.contains("fft, step 1: 0 operations checked"))
    #expect(outcome.output.contains("\(library), step 1: 8 operations checked"))
    #expect(try line("first wrong operation: ", outcome.output).contains("layers.1.dense/matmul is wrong on fusing"))
    #expect(try line("again: ", outcome.output).contains("conformance --backend \(library) "))
    try again(outcome, shows: "layers.1.dense/matmul is wrong on fusing")
  }

  @Test("as JSON: rows, the fault, then the verdict of each setting; words on standard error")
  func json() throws {
    let library = try plugin(fault: 4)
    let outcome = try diff("configs/mnist-mlp.yaml", "reference,\(library)", ["--json"])
    #expect(outcome.status == 1, "\(outcome.error)")
    let objects = try outcome.output.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let rows = objects.filter { $0["step"] is Int }
    #expect(rows.count == 3 && rows.allSatisfy { $0["roundingDifference"] is Double })
    #expect(objects.first { $0["kind"] != nil }?["operation"] as? String == "layers.1.dense/matmul")
    let judged = objects.filter { $0["judged"] != nil }
    #expect(judged.compactMap { $0["judged"] as? String } == ["as configured", "a batch of 63", "3 workers"])
    #expect(judged.allSatisfy { $0["agrees"] as? Bool == false && $0["wrong"] as? Int == 1 }, "\(judged)")
    let differences = try #require(judged[0]["differences"] as? [String: Any])
    let (median, limit) = (differences["medianGradientDifference"] as? Double, differences["limit"] as? Double)
    #expect(try #require(median) > 10 * #require(limit), "\(differences)")
    let command = try #require(judged[0]["again"] as? String)
    #expect(outcome.error.contains("again: \(command)"))
    #expect(try shell("switchback() { '\(binary)' \"$@\"; }; \(command)").status == 1)
  }
}
