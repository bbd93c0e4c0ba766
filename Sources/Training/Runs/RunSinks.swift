import Foundation
import SwitchbackMonitoring

/// Hands what happens in a run to sinks.
extension MonitorSink {
  func take(_ event: TrainingEvent) throws {
    switch event {
    case .step(let step):
      var numbers = step.metrics ?? [:]
      (numbers["loss"], numbers["learning_rate"]) = (step.loss, step.learningRate)
      numbers["accuracy"] = step.accuracy
      try write(numbers, step: step.step)
    case .epoch(let epoch):
      var numbers: [String: Double] = [:]
      for (name, number) in epoch.metrics ?? [:] { numbers["epoch_" + name] = number }
      for (name, number) in epoch.validationMetrics ?? [:] { numbers["validation_" + name] = number }
      (numbers["epoch_loss"], numbers["epoch_accuracy"]) = (epoch.loss, epoch.accuracy)
      (numbers["validation_loss"], numbers["validation_accuracy"]) = (epoch.validationLoss, epoch.validationAccuracy)
      try write(numbers, step: epoch.step)
    case .probes(let rows): try write(rows)
    case .finding(let finding): try write(finding)
    default: break
    }
  }
}

/// The sinks of a run's folder that its configuration chooses.
struct RunSinks {
  private let sinks: [any MonitorSink]
  /// What was odd about the files that were there.
  let warnings: [String]

  /// Files of an earlier choice lose what they have of later steps too.
  init(_ chosen: [SinkKind], in folder: RunFolder, after step: Int) throws {
    var sinks: [any MonitorSink] = []
    var warnings: [String] = []
    for kind in SinkKind.allCases {
      let isChosen = chosen.contains(kind)
      guard isChosen || access(folder.path + "/" + kind.path, F_OK) == 0 else { continue }
      let sink = kind.sink(in: folder.path)
      try sink.begin(after: step)
      if let warning = sink.warning { warnings.append(warning) }
      if isChosen { sinks.append(sink) }
    }
    (self.sinks, self.warnings) = (sinks, warnings)
  }

  func take(_ event: TrainingEvent) throws { for sink in sinks { try sink.take(event) } }

  func goBack(to step: Int) throws { for sink in sinks { try sink.begin(after: step) } }
}
