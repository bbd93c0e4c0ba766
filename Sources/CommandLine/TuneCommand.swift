import ArgumentParser
import Foundation
import Switchback

struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Measures which kernels suit an OpenCL device, and keeps the result for this machine.",
    discussion: flowing(
      """
      Examples:

        switchback tune
        switchback tune --device gpu --seconds 300
        # a part of a configuration; please send it to us:
        switchback tune --device gpu > our-gpu.yaml
        switchback tune --forget

      Every candidate runs in a process of its own with a time limit, since drivers crash and hang; it is checked against
      the Float64 reference before it is timed, small loads first. Later runs on this device use what was found.
      """))

  @Option(help: "The device: a number, cpu, gpu, or a part of its name.")
  var device = "0"

  @Option(help: "How long it may take, about.")
  var seconds = 120.0

  @Option(help: "Seconds that one candidate may take.")
  var limit = 60.0

  @Flag(help: "Forgets what was measured: the device gets the kernels of its class again.")
  var forget = false

  @Flag(help: "One JSON object on standard output.")
  var json = false

  /// A candidate's tile, or `default`: what the child measures.
  @Option(help: .hidden)
  var candidate: String?

  /// What is known to be good, as JSON, for the child.
  @Option(help: .hidden)
  var known = "{}"

  private static let backend = "opencl"

  private struct Result: Encodable {
    var device: String
    var driver: String
    var tried: Int
    var wrong: [String]
    var tiles: String
    /// How many times faster than the class's own tiles, by columns.
    var gains: [Int: Double]
  }

  func validate() throws {
    let range = 0.0...604_800
    guard range.contains(seconds), range.contains(limit) else {
      throw ValidationError("--seconds and --limit are from 0 to a week (604800)")
    }
  }

  func run() throws {
    try reportingErrors {
      let host = try makeHost(threads: 0)
      let registry = makeRegistry()
      if let candidate { return try measure(candidate, registry, host) }
      let backend = try registry.backend(named: Self.backend)
      let index = try backend.deviceIndex(chosenBy: device)
      let info = try backend.devices()[index]
      let options = try TunedOptions(of: backend, device: index)
      if forget {
        options.remember([:], by: host)
        return Terminal.write("\(info.name) is used as its class suggests", to: .standardError)
      }
      let result = try search(info)
      // What an earlier, longer search found stays until it is bettered or forgotten.
      if !result.tiles.isEmpty { options.remember(["tiles": result.tiles], by: host) }
      Terminal.write(json ? Terminal.json(result) : text(result))
    }
  }

  private func search(_ info: DeviceInfo) throws -> Result {
    let end = Date().addingTimeInterval(seconds)
    guard case .success(var base) = try child("default", [:], limit) else {
      throw fail(
        "\(info.name) does not run our kernels: switchback backends check opencl says more", ExitStatus.noBackend)
    }
    guard base.faults.isEmpty else {
      throw fail("\(info.name) computes wrongly: \(base.faults[0])", ExitStatus.noBackend)
    }
    var (best, tried, wrong) = (base.microseconds, 0, [String]())
    var found: [(tile: String, measurement: TileTuning.Measurement)] = []
    for (number, tile) in TileTuning.candidates.enumerated() {
      let left = end.timeIntervalSinceNow
      // One at least: on a busy machine the class's own tiles alone may have taken all the time.
      guard left > 1 || tried == 0 else { break }
      showBackendProgress(
        .working(
          "tuning \(info.name): \(number) of \(TileTuning.candidates.count) tiles, \(Int(left)) s left, now \(tile)"))
      tried += 1
      switch try child(tile, best, tried == 1 ? limit : min(limit, left + 1)) {
      // A limit that the end of the time cut short proves nothing.
      case .failure(let fault): if !fault.isLate || left >= limit { wrong.append("\(tile): \(fault.text)") }
      case .success(let measurement) where !measurement.faults.isEmpty:
        wrong.append("\(tile): \(measurement.faults[0])")
      case .success(let measurement):
        found.append((tile, measurement))
        best.merge(measurement.microseconds) { min($0, $1) }
      }
    }
    // The class's own again: what was slow at the start only because the machine was busy is no gain.
    if case .success(let again) = try child("default", [:], limit) {
      base.microseconds.merge(again.microseconds) { min($0, $1) }
    }
    showBackendProgress(.done("tuned \(info.name): \(tried) of \(TileTuning.candidates.count) tiles tried"))
    for line in wrong { Terminal.write("left out: \(line)", to: .standardError) }
    let (tiles, gains) = TileTuning.choice(base, found)
    return Result(device: info.name, driver: info.driver, tried: tried, wrong: wrong, tiles: tiles, gains: gains)
  }

  private struct Fault: Error {
    var text: String
    var isLate = false
  }

  /// One candidate, in a process that may crash.
  private func child(
    _ tile: String, _ best: [Int: Double], _ limit: Double
  ) throws -> Swift.Result<TileTuning.Measurement, Fault> {
    let child = try ChildProcess(
      ["tune", "--device", device, "--candidate", tile, "--known", Terminal.json(best)], limit: limit)
    if let fault = child.ending.fault {
      return .failure(Fault(text: fault, isLate: child.ending == .timedOut(limit)))
    }
    guard let made = try? JSONDecoder().decode(TileTuning.Measurement.self, from: Data(child.output.utf8)) else {
      return .failure(Fault(text: child.error.trimmingCharacters(in: .whitespacesAndNewlines)))
    }
    return .success(made)
  }

  private func measure(_ tile: String, _ registry: BackendRegistry, _ host: HostServices) throws {
    let chain = try BackendChain(
      [Self.backend], registry: registry,
      options: [Self.backend: ["device": device, "tiles": "1:\(tile)"]], host: host)
    let reference = try BackendChain.reference(registry, host: host)
    let best = (try? JSONDecoder().decode([Int: Double].self, from: Data(known.utf8))) ?? [:]
    Terminal.write(Terminal.json(try TileTuning.measure(chain, reference: reference, known: best)))
  }

  private func text(_ result: Result) -> String {
    let gains = result.gains.sorted { $0.key < $1.key }.map { "\($0.key): \(String(format: "%.2f", $0.value))×" }
    let head = """
      # \(result.device)
      # \(result.driver)
      # Switchback \(SwitchbackCommand.configuration.version), \(Date().formatted(.iso8601.year().month().day()))
      # faster than the device's class by columns: \(gains.joined(separator: ", "))

      """
    guard !result.tiles.isEmpty else { return head + "# nothing is faster: nothing to write down" }
    return head + """
      backend:
        name: opencl
        opencl:
          tiles: "\(result.tiles)"
      """
  }
}
