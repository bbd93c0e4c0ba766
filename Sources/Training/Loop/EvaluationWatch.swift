import SwitchbackMonitoring

extension EvaluationFacts {
  /// Of the validation at an epoch's end, and of what training had counted by then.
  init(_ held: Evaluation, _ report: EpochReport, samples: Int) {
    let isAlone = held.outputs.count == 1
    self.init(
      step: report.step, epoch: report.epoch, samples: samples,
      outputs: held.outputs.map { output in
        Output(
          name: output.name, loss: output.loss, accuracy: output.accuracy,
          trainingLoss: isAlone ? report.loss : report.metrics?[output.prefix + "loss"],
          trainingAccuracy: isAlone ? report.accuracy : report.metrics?[output.prefix + Accuracy.word],
          classes: output.classes.flatMap {
            $0.classCount <= Self.mostClasses ? Self.classes($0, output.classNames) : nil
          } ?? [], missedVariance: output.missedVariance)
      })
  }

  /// Adds the evaluation of so many samples of training.
  mutating func add(_ evaluation: Evaluation, ofSeen samples: Int) {
    for (place, output) in evaluation.outputs.enumerated() where outputs.indices.contains(place) {
      outputs[place].seen = Seen(
        samples: samples, loss: output.loss, accuracy: output.accuracy, missedVariance: output.missedVariance)
    }
  }

  /// Of words of a vocabulary many are never an answer.
  private static let mostClasses = 1024

  private static func classes(_ matrix: ConfusionMatrix, _ names: [String]) -> [Class] {
    (0..<matrix.classCount).map { index in
      Class(
        name: names.indices.contains(index) ? names[index] : "class \(index)", samples: matrix.samples(of: index),
        predicted: matrix.predictions(of: index), right: matrix.samples(of: index, takenFor: index))
    }
  }
}
