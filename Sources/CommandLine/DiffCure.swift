import Switchback

/// What is tried where every operation is right and the step is not: whatever heals it says where to look.
enum DiffCure: CaseIterable {
  case freshExecutables, singleOperations, oneWorker

  var name: String {
    switch self {
    case .freshExecutables: "fresh executables for each step"
    case .singleOperations: "segments of one operation"
    case .oneWorker: "one worker"
    }
  }

  /// What it means where this heals the step.
  var meaning: String {
    switch self {
    case .freshExecutables: "the backend keeps something from an earlier run"
    case .singleOperations: "operations are right alone and wrong together: fusion, or memory that a segment shares"
    case .oneWorker: "workers get in each other's way, or a sum leaves a part out"
    }
  }

  /// In the words of JSON.
  var key: String {
    switch self {
    case .freshExecutables: "freshExecutables"
    case .singleOperations: "singleOperations"
    case .oneWorker: "oneWorker"
    }
  }

  enum Outcome {
    case heals, doesNotHeal
    case cannotBeTried(String)
  }

  /// The same steps as those of `rows` on `setting`, with the cure. They are judged by the same bar.
  func outcome(_ setting: DiffSetting, _ rows: [StepComparison.Row]) throws -> Outcome {
    if self == .oneWorker, setting.host.workers == 1 { return .cannotBeTried("there is one") }
    do {
      let comparison = try setting.comparison(on: chains(setting), isFresh: self == .freshExecutables)
      let order = try setting.subject.order(batchSize: setting.batchSize)
      let cured = try rows.enumerated().map { index, row in
        var cured = try comparison.advance(setting.subject.train, order.batch(index % order.batchCount))
        cured.roundingDifference = row.roundingDifference
        return cured
      }
      return StepAgreement(cured).agrees ? .heals : .doesNotHeal
    } catch let error as ExecutionError {
      return .cannotBeTried(error.message)
    } catch let error as BackendError {
      return .cannotBeTried(error.message)
    }
  }

  private func chains(_ setting: DiffSetting) throws -> [BackendChain] {
    switch self {
    case .freshExecutables: setting.chains
    case .singleOperations: try setting.chains.map { try $0.inSingleOperations() }
    case .oneWorker:
      try setting.subject.chains(on: makeHost(workers: 1), replaying: setting.chains.map(\.routing))
    }
  }
}
