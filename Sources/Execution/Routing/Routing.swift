import SwitchbackBackendKit
import SwitchbackPrograms

/// Who runs each operation of a training step, as measured on one host. Plain data: it is kept in the host's store, in
/// a run's record and in its checkpoints, and placing by it measures nothing.
public struct Routing: Hashable, Sendable, Codable {
  /// A backend as it was when the routing was measured.
  public struct Backend: Hashable, Sendable, Codable {
    public var name: String
    public var version: String
    /// Device and driver.
    public var device: String
    /// A fingerprint of its library; nil of routings that were measured before it was kept, and empty where it is part of
    /// the program.
    public var library: String?

    init(_ link: BackendChain.Link) {
      (name, version, device, library) = (link.name, link.version, link.device.info.identity, link.library)
    }
  }

  /// A backend that took an operation and did not meet its bound, or could not be asked in time: it is not used for it.
  public struct Refusal: Hashable, Sendable, Codable {
    static let unchecked = "not checked within backend.tuning_seconds"

    public var operation: String
    public var backend: String
    public var reason: String

    package init(operation: String, backend: String, reason: String) {
      (self.operation, self.backend, self.reason) = (operation, backend, reason)
    }
  }

  /// What some operations took on each backend that may run them, inside its own whole step.
  public struct Comparison: Hashable, Sendable, Codable {
    public var operations: [String]
    public var microseconds: [String: Double]
  }

  /// A whole step that was measured.
  public struct Trial: Hashable, Sendable, Codable {
    /// `openblas`, or `openblas with fft for layers.0.conv2d/conv2d`.
    public var words: String
    public var microseconds: Double
  }

  /// Candidates, then those that only take what no candidate does.
  public internal(set) var backends: [Backend]
  public package(set) var workers: Int
  /// In which order operations are offered that have no backend of their own here, such as probes.
  public internal(set) var order: [String]
  /// The backend of each operation that was measured, by `keys(of:)`.
  public internal(set) var choices: [String: String]
  public internal(set) var refusals: [Refusal] = []
  /// Candidates that could not be used when it was measured, with the reasons.
  public package(set) var leftOut: [String: String] = [:]
  public internal(set) var comparisons: [Comparison] = []
  public internal(set) var trials: [Trial] = []
  /// What the measurements said.
  public internal(set) var verdict = ""

  init(_ links: [BackendChain.Link], workers: Int, order: [String], choices: [String: String]) {
    backends = links.map(Backend.init)
    (self.workers, self.order, self.choices) = (workers, order, choices)
  }

  /// Whether each candidate was asked for all that it takes; otherwise more time may decide otherwise.
  package var isComplete: Bool { !refusals.contains { $0.reason == Refusal.unchecked } }

  /// The calls' labels, numbered where one comes again: programs over the same layers (with probes, for another batch,
  /// for evaluation) call the same operations by the same keys.
  static func keys(of program: Program) -> [String] {
    var counts: [String: Int] = [:]
    return program.calls.map { call in
      let label = call.label
      counts[label, default: 0] += 1
      return counts[label] == 1 ? label : "\(label) #\(counts[label]!)"
    }
  }

  /// For each call the links in the order in which they are offered it.
  func order(for program: Program, among names: [String]) -> [[Int]] {
    // Whoever is in the chain and not in the record comes last, so that no operation is left without one.
    let recorded = order.compactMap { names.firstIndex(of: $0) }
    let usual = recorded + names.indices.filter { !recorded.contains($0) }
    let refused = Set(refusals.map { $0.operation + "\n" + $0.backend })
    return Self.keys(of: program).map { key in
      let trusted = usual.filter { !refused.contains(key + "\n" + names[$0]) }
      guard let choice = choices[key].flatMap({ names.firstIndex(of: $0) }) else { return trusted }
      return [choice] + trusted.filter { $0 != choice }
    }
  }

  /// Why this chain cannot run by this routing as it was recorded; nil where it can.
  public func obstacle(on chain: BackendChain) -> String? {
    let here = chain.links.map(Backend.init)
    let used = Set(choices.values).union(order.prefix(1))
    for backend in backends where used.contains(backend.name) {
      guard let found = here.first(where: { $0.name == backend.name }) else {
        return "\(backend.name) is not in the chain here (\(here.map(\.name).joined(separator: ", ")))"
      }
      guard backend.library == nil || found.library == backend.library else {
        return "the library of \(backend.name) is another than the one that was measured and checked"
      }
      guard (found.version, found.device) == (backend.version, backend.device) else {
        return "\(backend.name) was version \(backend.version) on \(backend.device); here it is version "
          + "\(found.version) on \(found.device)"
      }
    }
    guard workers == chain.host.workers else {
      return "it was measured with \(workers) workers; here are \(chain.host.workers) (backend.threads)"
    }
    return nil
  }
}

extension BackendChain {
  /// The chain that places operations as recorded, or an error that says why it cannot.
  public func routed(by routing: Routing) throws(ExecutionError) -> BackendChain {
    if let obstacle = routing.obstacle(on: self) {
      throw ExecutionError(.invalid, "the recorded routing cannot be replayed: \(obstacle)")
    }
    var chain = self
    chain.routing = routing
    return chain
  }

  /// What distinguishes one set of candidates from another in the host's store.
  package var mark: String {
    links.map { link in
      let backend = Routing.Backend(link)
      return
        "\(backend.name) \(backend.version) \(backend.device) \(link.library) \(link.optionWords.joined(separator: " "))"
    }.joined(separator: "\n") + "\n\(host.workers) workers"
  }
}
