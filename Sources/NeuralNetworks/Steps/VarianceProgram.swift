import SwitchbackPrograms

/// The forward pass of training, which answers the variance of what each kernel makes of a batch: see `LSUV`.
package struct VarianceProgram: Sendable {
  /// Reads the model's inputs. No state is replaced.
  package let program: Program
  package let stepValues: StepValues
  /// In the order in which they compute, so that none depends on one behind it.
  package let kernels: [Kernel]

  /// A weight of a dense layer or a convolution that is trained.
  package struct Kernel: Sendable {
    package let parameter: Parameter
    /// The output that has its variance, f32 `[]`.
    package let output: String
    /// The state that starts as a copy of it; nil where no average is kept.
    package let averageName: String?

    /// What it would start with if it were drawn orthonormal.
    package func orthogonalValues(seed: Int64) -> [Float] {
      Initializer.orthogonal().values(shape: parameter.drawnShape, seed: seed, name: parameter.name)
    }
  }
}

extension TrainingStep {
  /// The program that LSUV goes by, for batches of so many samples.
  package func variances(batchSize: Int) throws(ProgramError) -> VarianceProgram {
    let traced = try TracedModel(
      model, inputs: inputs, batchSize: batchSize, programName: "initialize", isTraining: true)
    var builder = traced.builder
    // Gates of recurrent layers read a product of the states besides, so that this one alone says little of them.
    let recurrent = Set(traced.parameters.filter { $0.name.hasSuffix("/recurrentKernel") }.map(\.path))
    let candidates = traced.parameters.filter { $0.isTrainable && !recurrent.contains($0.path) }
    let found = candidates.compactMap { parameter in
      builder.program.firstProduct(of: parameter.value).map { (parameter: parameter, product: $0) }
    }.sorted { $0.product.place < $1.product.place }
    let kernels = try found.map { parameter, product throws(ProgramError) -> VarianceProgram.Kernel in
      builder.path = parameter.path
      let output = "variance/" + parameter.name
      builder.output(output, try builder.variance(of: builder.value(product.result)))
      return VarianceProgram.Kernel(
        parameter: parameter, output: output, averageName: averageMomentum == nil ? nil : parameter.averageName)
    }
    builder.path = ""
    let program = try TracedModel.finish(builder)
    // Dropout of layers before is that of the first step.
    let stepValues = try StepValues(program, ["randomKey": { .key(seed: $0.seed, counter: Int64($0.batch)) }])
    return VarianceProgram(program: program, stepValues: stepValues, kernels: kernels)
  }
}

extension ProgramBuilder {
  /// Of all elements, f32 `[]`.
  fileprivate mutating func variance(of value: Value) throws(ProgramError) -> Value {
    let axes = Array(0..<value.shape.rank)
    let mean = try append(Reduce(.mean, axes: axes, keepDimensions: true), [value])[0]
    let centered = try append(Binary(.subtract), [value, mean])[0]
    let squares = try append(Unary(.square), [centered])[0]
    return try append(Reduce(.mean, axes: axes), [squares])[0]
  }
}

extension Program {
  /// The first call that multiplies by a weight, or by what other shapes of it are: its place, and the number of its result.
  fileprivate func firstProduct(of weight: Value) -> (place: Int, result: Int)? {
    var forms: Set = [weight.id]
    for (place, call) in calls.enumerated() {
      guard call.inputs.contains(where: forms.contains), case let result?? = call.outputs.first else { continue }
      switch call.operation {
      case is Reshape: forms.insert(result)
      case is MatrixMultiplication, is Convolution2D, is Convolution2DBackwardInput:
        if forms.contains(call.inputs[1]), !forms.contains(call.inputs[0]) { return (place, result) }
      default: break
      }
    }
    return nil
  }
}
