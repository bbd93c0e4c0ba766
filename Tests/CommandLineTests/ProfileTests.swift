import Foundation
import TestFiles
import Testing

/// `switchback profile`: where the time of a step goes.
@Suite struct ProfileTests {
  private struct Report: Decodable {
    struct Row: Decodable {
      var name: String
      var backend: String
      var operations: [String]
      var microseconds: Double
      var share: Double
      var flops: Double
      var gigaflopsPerSecond: Double?
      var shareOfRoof: Double?
    }
    struct Roof: Decodable {
      var gigaflops: Double
      var instructionSet: String
      var workers: Int
    }
    var steps: Int
    var batchSize: Int
    var secondsPerStep: Double
    var flopsPerStep: Double
    var roof: Roof?
    var shareOfRoof: Double?
    var outsideMicroseconds: Double
    var peakBytes: Int
    var plannedBytes: Int
    var usesDeviceMemory: Bool
    var layers: [Row]
    var operations: [Row]
  }

  private func report(_ arguments: String..., environment: [String: String] = [:]) throws -> Report {
    try report(arguments, environment)
  }

  private func report(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Report {
    let outcome = try run(
      binary, ["profile"] + arguments + ["--data", try dataFolder(), "--steps", "3", "--json"], environment)
    #expect(outcome.status == 0, "\(outcome.error)")
    return try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
  }

  private struct Trace: Decodable {
    struct Event: Decodable {
      struct Arguments: Decodable { var operations: [String]? }
      var cat: String?
      var dur: Double?
      var args: Arguments
    }
    var traceEvents: [Event]

    /// Microseconds of the steps, and of groups by their operations, over all steps.
    var steps: Double { traceEvents.filter { $0.cat == "step" }.reduce(0) { $0 + ($1.dur ?? 0) } }
    var groups: [[String]: Double] {
      traceEvents.filter { $0.cat == "group" }.reduce(into: [:]) {
        $0[$1.args.operations ?? [], default: 0] += $1.dur ?? 0
      }
    }
  }

  /// A report whose times are those of the trace of the same steps, which are taken step by step and not as differences
  /// from what the steps that warm up took.
  private func tracedReport(_ arguments: String...) throws -> Report {
    let file = temporary() + ".json"
    let report = try report(arguments + ["--trace", file])
    let trace = try JSONDecoder().decode(Trace.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
    func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-6 * max(abs(a), abs(b)) }
    let (count, groups) = (Double(report.steps), trace.groups)
    #expect(isNear(trace.steps, report.secondsPerStep * 1e6 * count))
    for rows in [report.layers, report.operations] {
      for row in rows { #expect(isNear(row.share * trace.steps, row.microseconds * count), "\(row.name)") }
      let (all, traced) = (rows.reduce(0) { $0 + $1.microseconds } * count, groups.values.reduce(0, +))
      #expect(isNear(all, traced), "\(all), \(traced)")
      #expect(abs(report.outsideMicroseconds * count - (trace.steps - traced)) <= 1e-6 * trace.steps)
    }
    // With accumulation the operations of both programs.
    for (operations, microseconds) in groups {
      let rows = report.operations.filter { $0.operations == operations }
      #expect(isNear(rows.reduce(0) { $0 + $1.microseconds } * count, microseconds), "\(operations)")
    }
    return report
  }

  @Test("layers and operations divide the same time and FLOPs, and the shares are those of the roof")
  func shares() throws {
    let report = try tracedReport("configs/mnist-mlp.yaml", "--backend", "reference", "--threads", "1")
    #expect(report.steps == 3 && report.batchSize == 64 && report.peakBytes > 0)
    let roof = try #require(report.roof)
    #expect(roof.gigaflops > 0 && roof.workers == 1)
    for rows in [report.layers, report.operations] {
      #expect(abs(rows.reduce(0) { $0 + $1.flops } / report.flopsPerStep - 1) < 1e-9)
      // By time.
      #expect(rows.map(\.microseconds) == rows.map(\.microseconds).sorted(by: >))
      for row in rows {
        guard let speed = row.gigaflopsPerSecond else { continue }
        #expect(abs(speed * row.microseconds * 1e3 / row.flops - 1) < 1e-9, "\(row.name)")
        #expect(abs(try #require(row.shareOfRoof) * roof.gigaflops / speed - 1) < 1e-9, "\(row.name)")
      }
    }
    // One dense layer of 784 by 128: forward and the filter's gradient, 2·64·784·128 FLOPs each.
    let dense = try #require(report.layers.first { $0.name == "layers.1.dense" })
    #expect(dense.flops >= 2 * 2 * 64 * 784 * 128 && dense.operations.allSatisfy { $0.hasPrefix("layers.1.dense") })
    #expect(report.operations.contains { $0.operations == ["layers.1.dense/relu"] })
  }

  @Test("the roof is that of the instruction set that the kernels may use")
  func instructionSet() throws {
    let environment = ["SWITCHBACK_CPU_KERNELS": "baseline"]
    let report = try report("configs/mnist-mlp.yaml", "--backend", "reference", environment: environment)
    #if arch(x86_64)
      #expect(report.roof?.instructionSet == "baseline")
    #else
      #expect(report.roof?.instructionSet.isEmpty == false)
    #endif
  }

  @Test("batches that only accumulate gradients are part of the time")
  func accumulation() throws {
    let report = try tracedReport(
      "configs/mnist-mlp.yaml", "--backend", "reference", "--set", "training.optimizer.gradient_accumulation_steps=2")
    // Two of three steps after the two that warm up accumulate or update with one product each.
    #expect(report.flopsPerStep > 2 * 2 * 64 * 784 * 128)
  }

  private struct Inspection: Decodable {
    struct Memory: Decodable { var planned: Int }
    var memory: Memory
  }

  @Test("what is planned is the step's, with accumulation that of both programs; a CPU's opencl takes the host's too")
  func memory() throws {
    func planned(_ arguments: String...) throws -> (profile: Int, inspect: Int) {
      let outcome = try switchback(
        ["inspect", "configs/mnist-mlp.yaml", "--set", "monitor.enabled=false", "--json"] + arguments)
      #expect(outcome.status == 0, "\(outcome.error)")
      let inspection = try JSONDecoder().decode(Inspection.self, from: Data(outcome.output.utf8))
      let profile = try report(["configs/mnist-mlp.yaml"] + arguments)
      #expect(!profile.usesDeviceMemory && profile.plannedBytes < profile.peakBytes)
      return (profile.plannedBytes, inspection.memory.planned)
    }
    let plain = try planned("--backend", "reference")
    #expect(plain.profile == plain.inspect)
    let both = try planned("--backend", "reference", "--set", "training.optimizer.gradient_accumulation_steps=2")
    // The other program reads a batch too, and has the hidden layer's activations.
    #expect(both.profile > both.inspect + 64 * 784)
    guard (try? skipWithout("opencl")) != nil else { return }
    let opencl = try planned("--backend", "opencl", "--set", "backend.opencl.trust=true")
    // States lie in OpenCL's buffers beside the host's.
    #expect(opencl.profile > opencl.inspect)
  }

  @Test("a device has no roof, and the table says so")
  func device() throws {
    try skipWithout("opencl")
    let report = try report("configs/mnist-mlp.yaml", "--backend", "opencl", "--set", "backend.opencl.trust=true")
    #expect(report.roof == nil && report.shareOfRoof == nil)
    #expect(report.operations.allSatisfy { $0.shareOfRoof == nil } && !report.operations.isEmpty)
    let table = try switchback(
      "profile", "configs/mnist-mlp.yaml", "--backend", "opencl", "--set", "backend.opencl.trust=true", "--data",
      try dataFolder(), "--steps", "2")
    #expect(table.output.contains("no roof: ") && !table.output.contains("of the roof"), "\(table.output)")
  }

  @Test("the table has a row for each layer, or for each operation, and says roof and memory")
  func table() throws {
    let arguments = ["profile", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", try dataFolder()]
    let layers = try switchback(arguments + ["--steps", "2"])
    #expect(layers.status == 0, "\(layers.error)")
    #expect(layers.output.contains("reference  layers.1.dense\n"), "\(layers.output)")
    for words in ["of the roof", "2 steps of 64 samples", "roof: ", "GFLOP/s (", "peak memory ", " of the host's\n"] {
      #expect(layers.output.contains(words), "\(layers.output)")
    }
    let operations = try switchback(arguments + ["--steps", "2", "--by", "operation"])
    #expect(operations.output.contains("layers.1.dense/relu/backward"), "\(operations.output)")
  }

  @Test("the trace is JSON of events: steps, and within each its groups, one after the other")
  func trace() throws {
    let file = temporary() + ".json"
    let arguments = ["profile", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", try dataFolder()]
    let outcome = try switchback(arguments + ["--steps", "4", "--trace", file])
    #expect(outcome.status == 0, "\(outcome.error)")
    let words = "wrote \(file), a trace of 4 steps: open it on https://ui.perfetto.dev or in chrome://tracing\n"
    #expect(outcome.output.hasSuffix(words), "\(outcome.output)")
    let other = temporary() + ".json"
    let json = try switchback(arguments + ["--steps", "1", "--json", "--trace", other])
    #expect(json.output.hasPrefix("{") && json.error.contains("wrote \(other), a trace of 1 step: "), "\(json.error)")
    let data = try Data(contentsOf: URL(fileURLWithPath: file))
    let trace = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let events = try #require(trace["traceEvents"] as? [[String: Any]]).filter { $0["ph"] as? String == "X" }
    let steps = events.filter { $0["cat"] as? String == "step" }
    #expect(steps.compactMap { $0["name"] as? String } == (1...4).map { "step \($0)" })
    for step in steps {
      let number = try #require((step["args"] as? [String: Any])?["step"] as? Int)
      let groups = events.filter {
        $0["cat"] as? String == "group" && ($0["args"] as? [String: Any])?["step"] as? Int == number
      }
      #expect(groups.contains { ($0["name"] as? String)?.hasPrefix("layers.1.dense: ") == true })
      let (begin, length) = (try #require(step["ts"] as? Double), try #require(step["dur"] as? Double))
      var end = begin
      for group in groups {
        let (start, time) = (try #require(group["ts"] as? Double), try #require(group["dur"] as? Double))
        // A microsecond for rounding.
        #expect(start >= end - 1 && start + time <= begin + length + 1)
        end = start + time
      }
    }
    let again = try switchback(arguments + ["--steps", "1", "--trace", file])
    #expect(again.status == 73 && again.error.contains("is there already"), "\(again.error)")
    #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == data)
  }

  @Test("wrong options are errors with words, and train --profile names the command")
  func errors() throws {
    let zero = try switchback("profile", "configs/mnist-mlp.yaml", "--steps", "0")
    #expect(zero.status == 64 && zero.error.contains("--steps is at least 1"), "\(zero.error)")
    let colour = try switchback("profile", "configs/mnist-mlp.yaml", "--by", "colour")
    #expect(colour.status == 64 && colour.error.contains("layer") && colour.error.contains("operation"))
    let none = try switchback("profile", "nowhere.yaml")
    #expect(none.status == 66 && none.error.contains("there is no configuration nowhere.yaml"), "\(none.error)")
    let large = try switchback(
      "profile", "configs/mnist-mlp.yaml", "--backend", "reference", "--data", try dataFolder(), "--set",
      "training.batch_size=1000")
    #expect(large.status == 65 && large.error.contains("there is no whole batch of 1000"), "\(large.error)")
    for arguments in [["profile"], ["inspect"], ["diff", "--backends", "reference,reference"]] {
      let runs = try switchback(arguments + ["configs/mnist-mlp.yaml", "--runs", temporary()])
      #expect(runs.status == 64 && runs.error.contains("--runs"), "\(arguments) write none: \(runs.error)")
    }
    let before = try switchback("train", "configs/mnist-mlp.yaml", "--profile")
    #expect(before.status == 64, "\(before.error)")
    #expect(before.error.contains("switchback profile configs/mnist-mlp.yaml"), "\(before.error)")
  }
}
