import Foundation
import SwitchbackBackendKit
public import SwitchbackExecution

/// Where a run took place and how: `environment.json`, by which its numbers can be compared and its bits made again.
public struct RunEnvironment: Hashable, Sendable, Codable {
  public var switchback: String
  public var system: String
  public var processor: String
  public var cores: Int
  public var workers: Int
  public var command: [String]
  public var started: Date
  /// `openblas: host · OpenBLAS 0.3.21 …`, in the order of the chain.
  public var devices: [String]
  public var placement: String
  /// Equal plans and seeds give equal weights.
  public var plan: String
  /// Who runs what, where `backend: auto` decided it.
  public var routing: Routing?
  /// What the run started with, where that was `model.from`.
  public var from: InitialWeights.Record?
  /// What `training.initialization` made of its first weights.
  public var initialization: LSUVRecord?
  /// Where it was gone on with after an end, in order.
  public var resumed: [Resumption]?

  /// A place where a run was gone on with.
  public struct Resumption: Hashable, Sendable, Codable {
    /// After so many steps.
    public var step: Int
    public var time: Date
    /// The backend from there on.
    public var backend: String
    /// Whether weights have other last bits from there on than without the interruption.
    public var otherBits: Bool
    /// What had run until then.
    public var devicesBefore: [String]
    public var planBefore: String

    public init(step: Int, backend: String, otherBits: Bool, before: RunEnvironment?) {
      (self.step, self.backend, self.otherBits, time) = (step, backend, otherBits, Date())
      (devicesBefore, planBefore) = (before?.devices ?? [], before?.plan ?? "")
    }
  }

  /// Of Switchback.
  public static let version = "0.1.0"

  /// Takes over what the run's folder says of earlier times, and that the run goes on here.
  mutating func goOn(from before: RunEnvironment?, after step: Int, backend: String, otherBits: Bool) {
    (from, initialization) = (before?.from, before?.initialization)
    resumed = (before?.resumed ?? []) + [Resumption(step: step, backend: backend, otherBits: otherBits, before: before)]
  }

  public init(of session: TrainingSession, command: [String] = CommandLine.arguments) throws {
    switchback = Self.version
    system = ProcessInfo.processInfo.operatingSystemVersionString
    processor = Self.processorName
    cores = HostServices.usableCores
    workers = session.chain.host.workers
    self.command = command
    started = Date()
    devices = session.chain.links.map { link in
      let info = link.device.info
      let options = link.options.sorted { $0.key < $1.key }.map { " · \($0.key): \($0.value)" }.joined()
      return "\(link.name): \(info.name)\(info.driver.isEmpty ? "" : " · \(info.driver)")\(options)"
    }
    placement = try session.plan.summary
    plan = try session.planFingerprint
    routing = session.chain.routing
  }

  /// What differs here of what the bits of weights depend on.
  func differences(since before: RunEnvironment) -> [String] {
    var differences: [String] = []
    func add(_ what: String, _ then: String, _ now: String) {
      if then != now { differences.append("\(what) (\(then), here \(now))") }
    }
    let (then, now) = (Self.chain(before.devices), Self.chain(devices))
    if then != now {
      add("backend", then, now)
    } else {
      // The same names: on other devices, with other versions or options.
      let others = zip(before.devices, devices).filter { $0 != $1 }
      add("backend", others.map(\.0).joined(separator: "; "), others.map(\.1).joined(separator: "; "))
    }
    add("number of threads", "\(before.workers)", "\(workers)")
    add("processor", before.processor, processor)
    add("version of Switchback", before.switchback, switchback)
    return differences
  }

  /// `openblas with reference behind it`, of what `devices` says.
  private static func chain(_ devices: [String]) -> String {
    let names = devices.map { String($0.prefix { $0 != ":" }) }
    let rest = names.dropFirst().joined(separator: ", ")
    return (names.first ?? "") + (rest.isEmpty ? "" : " with \(rest) behind it")
  }

  static var processorName: String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let line = lines.first { $0.hasPrefix("model name") } ?? ""
    return line.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }

  /// For the report, in the order of reading.
  var rows: [(String, String)] {
    var rows = [
      ("Switchback", switchback), ("system", system), ("processor", "\(processor), \(cores) cores, \(workers) workers"),
      ("devices", devices.joined(separator: "; ")), ("placement", placement), ("plan", plan),
      ("command", command.joined(separator: " ")), ("started", "\(started)"),
    ]
    if let routing { rows.append(("auto", routing.verdict)) }
    if let from { rows.append(("from", "\(from.path) (\(from.weights.rawValue), SHA-256 \(from.sha256))")) }
    for line in initialization?.words ?? [] { rows.append(("initialization", line)) }
    for resumption in resumed ?? [] {
      rows.append(("resumed", "after step \(resumption.step)\(resumption.otherBits ? ", with other bits" : "")"))
    }
    return rows
  }
}

/// The most memory that this process has had resident, in bytes.
package var peakResidentBytes: Int {
  var usage = rusage()
  #if os(Linux)
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return Int(usage.ru_maxrss) * 1024
  #else
    getrusage(RUSAGE_SELF, &usage)
    return Int(usage.ru_maxrss)
  #endif
}
