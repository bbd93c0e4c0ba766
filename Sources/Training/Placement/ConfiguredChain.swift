public import SwitchbackBackendKit
public import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

extension Configuration {
  /// What the training step runs on: the chain that is written down, or for `auto` what is measured, remembered or, with
  /// `routing`, recorded. A recorded routing that cannot be replayed is an error. `step` is traced only to be measured.
  public func backendChain(
    for step: @autoclosure () throws -> TrainingProgram, registry: BackendRegistry, host: HostServices,
    replaying routing: Routing? = nil,
    progress: @escaping (BackendProgress) -> Void = { _ in }
  ) throws -> BackendChain {
    let firstUse = FirstUse(registry: registry, host: host, progress: progress)
    guard backend.name == AutoBackend.name else {
      return try writtenChain(firstUse)
    }
    return try AutoBackend(backend, registry: registry, host: host, firstUse: firstUse)
      .routed(for: step, replaying: routing, progress: progress)
  }

  /// The backends that are written down, each checked at its first use.
  private func writtenChain(_ firstUse: FirstUse) throws -> BackendChain {
    let chain = try BackendChain(
      backendNames, registry: firstUse.registry, options: backend.options, host: firstUse.host)
    for link in chain.links { try firstUse.check(link) }
    return chain
  }

  /// The same for whoever only uses weights: nothing is measured, and where a routing is missing or cannot be replayed
  /// each operation goes to the first that takes it.
  public func inferenceChain(
    registry: BackendRegistry, host: HostServices, replaying routing: Routing?,
    progress: @escaping (BackendProgress) -> Void = { _ in }
  ) throws -> BackendChain {
    let firstUse = FirstUse(registry: registry, host: host, progress: progress)
    guard backend.name == AutoBackend.name else {
      return try writtenChain(firstUse)
    }
    let chain = try AutoBackend(backend, registry: registry, host: host, firstUse: firstUse).chain
    guard let routing else { return chain }
    if let obstacle = routing.obstacle(on: chain) {
      host.log(2, "the run's routing is not used: \(obstacle)")
      return chain
    }
    return try chain.routed(by: routing)
  }
}

extension TrainingSession {
  /// A configuration's network, on its backends.
  public convenience init(
    _ configuration: Configuration, on data: DatasetLayout, registry: BackendRegistry, host: HostServices,
    probeInterval: Int?, firstLooks: Int = 0, countsExponents: Bool = false, isProfiled: Bool = false,
    isOnlyPlanned: Bool = false, replaying routing: Routing? = nil,
    progress: @escaping (BackendProgress) -> Void = { _ in }
  ) throws {
    let step = try configuration.trainingStep(on: data)
    do {
      let training = try step.build(batchSize: configuration.training.batchSize)
      try self.init(
        step: step, batchSize: configuration.training.batchSize, seed: configuration.training.seed,
        on: try configuration.backendChain(
          for: training, registry: registry, host: host, replaying: routing, progress: progress),
        probeInterval: probeInterval, firstLooks: firstLooks, countsExponents: countsExponents, isProfiled: isProfiled,
        isOnlyPlanned: isOnlyPlanned, training: training)
    } catch let error as ProgramError {
      throw configuration.located(error)
    }
    metrics = configuration.metrics
  }
}
