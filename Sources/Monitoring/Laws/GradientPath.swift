/// The gradient of every trainable weight hangs on the batch: otherwise the weight learns nothing from the data.
public struct GradientPath: Law {
  public let name = "gradientPath"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    let hangs = step.hangsOnBatch()
    let cut = step.weights.filter { weight in
      let updates = step.updates(of: weight)
      // Another law says that there is none.
      return weight.isTrainable && !updates.isEmpty && !updates.contains { hangs[$0.inputs[1]] }
    }
    return cut.map {
      breach(
        layers: [$0.layer], subject: $0.name, cause: "noPath",
        "No gradient of the batch reaches \($0.name): what its optimizer gets does not hang on the data. Connect "
          + "\($0.layer) to the loss, or declare the weight as not trainable.")
    }
  }
}
