import Foundation
import Switchback

/// What `diff` compares: the training step of a configuration, on two backends.
struct DiffSubject {
  let names: [String]
  let configuration: Configuration
  let train: any Dataset
  let step: TrainingStep
  private let registry: BackendRegistry
  private let options: [String: [String: String]]

  init(_ configuration: Configuration, _ names: [String]) throws {
    (self.configuration, self.names) = (configuration, names)
    try fetchIfMissing(configuration.data.source)
    train = try configuration.data.source.open().train
    step = try configuration.trainingStep(on: train.layout)
    registry = makeRegistry(configuration.backend.search)
    // Whoever compares wants to see everything that a backend can take.
    options = optionsThatTakeAll.merging(configuration.backend.options) { taken, given in
      taken.merging(given) { $1 }
    }
  }

  /// The two chains, as `train --backend NAME` has them. `routings` are those that `auto` found before.
  func chains(on host: HostServices, replaying routings: [Routing?] = [nil, nil]) throws -> [BackendChain] {
    try zip(names, routings).map { name, routing in
      var settings = configuration
      settings.backend.name = name
      settings.backend.fallback = fallback(of: name)
      settings.backend.options = options
      // Who computes what stays, though it was measured with other workers: what is right does not depend on them.
      var routing = routing
      routing?.workers = host.workers
      return try settings.backendChain(
        for: step.build(batchSize: settings.training.batchSize), registry: registry, host: host, replaying: routing,
        progress: showBackendProgress)
    }
  }

  /// The configuration's, unless that is only the default of its own backend: then a backend's own.
  private func fallback(of name: String) -> [String] {
    let (given, usual) = (configuration.backend.fallback, Configuration.Backend.defaultFallback)
    // It declines nothing.
    if name == "reference" { return [] }
    return given == usual(configuration.backend.name) ? usual(name) : given
  }

  /// The reference alone, by which everything is judged.
  func reference(on host: HostServices) throws -> BackendChain {
    try BackendChain.reference(registry, host: host)
  }

  /// A backend alone, opened as another process would.
  func backend(_ link: BackendChain.Link, on host: HostServices) throws -> BackendChain {
    let name = link.request.name
    return try BackendChain([name], registry: registry, options: [name: link.request.options], host: host)
  }

  /// Who may be wrong: the named backends, whatever they take, and whoever else runs a part of the step.
  func suspects(_ chains: [BackendChain], _ program: Program) throws -> [BackendChain.Link] {
    var seen: Set<String> = []
    return try zip(names, chains).flatMap { name, chain in
      let placed = Set(try ExecutionPlan(program, chain: chain, taps: []).placements.map(\.link))
      return chain.links.indices.filter { placed.contains($0) || (chain.routing == nil && $0 == 0) }
        .map { chain.links[$0] }
    }.filter { $0.name != "reference" && seen.insert($0.request.name).inserted }
  }

  /// Whole batches of the first epoch; an error where there is none.
  func order(batchSize: Int) throws -> BatchOrder {
    let order = BatchOrder(
      count: train.count, batchSize: batchSize, seed: Int64(configuration.training.seed), epoch: 1, dropsLast: true)
    guard order.batchCount > 0 else { throw fail("there is no whole batch of \(batchSize)", ExitStatus.badData) }
    return order
  }

  /// What `--backend` of another command is to be told: a library that only this configuration's folders have, by its
  /// path.
  func word(for link: BackendChain.Link) -> String {
    let name = link.request.name
    guard !name.contains("/"), !name.hasSuffix(".so") else { return name }
    let found = registry.libraries.first { $0.name == name }
    let isUsual = makeRegistry().libraries.contains { $0.name == name && $0.file == found?.file }
    return isUsual ? name : found?.file ?? name
  }
}
