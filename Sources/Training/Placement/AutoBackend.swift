import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// `backend: auto`: opens the candidates that this host has, and finds the routing of a training step: a checkpoint's,
/// the one that the host's store remembers, or by measuring.
public struct AutoBackend {
  static let name = "auto"
  static let defaultCandidates = ["openblas", "fft", "opencl"]

  /// Candidates, then fallbacks, not routed yet.
  let chain: BackendChain
  let candidateCount: Int
  /// Candidates that cannot be used here.
  private let leftOut: [String: BackendError]
  private let settings: Configuration.Backend
  private let reference: BackendChain

  init(
    _ settings: Configuration.Backend, registry: BackendRegistry, host: HostServices, firstUse: FirstUse
  ) throws {
    var links: [BackendChain.Link] = []
    var leftOut: [String: BackendError] = [:]
    for name in settings.candidates ?? Self.defaultCandidates {
      var options = settings.options[name] ?? [:]
      // On a processor OpenCL is another way to the same cores, and measuring costs time.
      let isForGPU = name == "opencl" && settings.candidates == nil && options["device"] == nil
      if isForGPU { options["device"] = "gpu" }
      do {
        let link = try BackendChain.open(name, registry, options, host)
        try firstUse.check(link)
        links.append(link)
      } catch let error as BackendError {
        // Nobody asked for that device.
        leftOut[name] =
          isForGPU && registry.names.contains(name)
          ? BackendError(
            .unavailable, "it found no GPU; backend.candidates: [openblas, fft, opencl] measures other devices too")
          : error
      }
    }
    candidateCount = links.count
    for name in settings.fallback where !links.contains(where: { $0.name == name }) {
      let link = try BackendChain.open(name, registry, settings.options[name] ?? [:], host)
      try firstUse.check(link)
      links.append(link)
    }
    guard !links.isEmpty else {
      let reasons = leftOut.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.message)" }.joined(separator: "; ")
      throw BackendError(.unavailable, "backend: auto finds no backend that can be used here (\(reasons))")
    }
    let names = links.map(\.name)
    for (index, name) in names.enumerated() where names[..<index].contains(name) {
      throw BackendError(.invalid, "backend: auto has two backends called \(name): name it once")
    }
    chain = BackendChain(links, host: host)
    (self.leftOut, self.settings) = (leftOut, settings)
    reference = try BackendChain.reference(registry, host: host)
  }

  /// The chain as it is to run a training step, which is asked for where no routing is recorded.
  func routed(
    for step: () throws -> TrainingProgram, replaying recorded: Routing?, progress: @escaping (BackendProgress) -> Void
  ) throws -> BackendChain {
    if let recorded { return try chain.routed(by: recorded) }
    let training = try step()
    let key = self.key(of: training.program)
    if let known = chain.host.recalledRouting(key), known.obstacle(on: chain) == nil {
      progress(.done("auto, as decided before: \(known.verdict)\(suffix)"))
      return try chain.routed(by: known)
    }
    let begin = RouteSearch.monotonicSeconds()
    func prepare(_ executor: ProgramExecutor) throws { try training.fill(executor) }
    let program = try chain.decomposing(training.program)
    let check = try candidateCount > 1 ? ShapeCheck(program, on: chain, reference: reference, prepare: prepare) : nil
    var routing = try RouteSearch(
      program, on: chain, candidates: candidateCount, budget: settings.tuningSeconds,
      progress: { progress(.working($0)) }, prepare: prepare, verify: { try check?.fault($0, on: $1) }
    ).run()
    routing.leftOut = leftOut.mapValues(\.message)
    if routing.isComplete { chain.host.remember(routing, key) }
    let seconds = ((RouteSearch.monotonicSeconds() - begin) * 10).rounded() / 10
    progress(.done("auto, decided in \(seconds) s: \(routing.verdict)\(suffix)"))
    return try chain.routed(by: routing)
  }

  /// How to mend what is missing is in the run's record.
  private var suffix: String {
    leftOut.sorted { $0.key < $1.key }.map { "; without \($0.key): \($0.value.reason)" }.joined()
  }

  /// Covers whatever a measurement depends on.
  private func key(of program: Program) -> String {
    var fingerprint = Fingerprint()
    for text in ["\(program)", chain.mark, "\(candidateCount)", RunEnvironment.processorName, "\(settings.options)"] {
      fingerprint.mix(text)
    }
    return "routing-2-" + fingerprint.text
  }
}

extension HostServices {
  fileprivate func recalledRouting(_ key: String) -> Routing? {
    recall(key).flatMap { try? JSONDecoder().decode(Routing.self, from: Data($0)) }
  }

  fileprivate func remember(_ routing: Routing, _ key: String) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    if let data = try? encoder.encode(routing) { remember(key, Array(data)) }
  }
}

extension TrainingProgram {
  /// Initial weights and `MeasuringSamples`: what a step is measured and checked on.
  fileprivate func fill(_ executor: ProgramExecutor) throws {
    for state in states where executor.states.states[state.name] != nil {
      let values = state.values(seed: 1)
      try executor.states.withMutableBytes(of: state.name) { bytes in
        values.withUnsafeBytes { bytes.copyMemory(from: $0) }
      }
    }
    let samples = try MeasuringSamples(for: executor.program)
    try StepFeed(executor, stepValues).fill(
      samples, (0..<Int32(samples.count)).map { $0 }[...], at: StepPosition(update: 0, seed: 1))
  }
}
