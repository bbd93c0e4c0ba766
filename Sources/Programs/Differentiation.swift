extension ProgramBuilder {
  /// Appends the calls that compute the gradients of `loss` (reverse mode), and returns every gradient that exists,
  /// by the id of the forward value it belongs to.
  ///
  /// Nothing is computed for values on no path from `targets` to `loss`. `loss` is a scalar. Where a value is used
  /// more than once its gradients are added in reverse order of use. (Griewank and Walther, *Evaluating
  /// Derivatives*, 2nd ed., §3.2.)
  public mutating func gradients(of loss: Value, for targets: [Value]) throws(ProgramError) -> [Int: Value] {
    guard loss.shape.elementCount == 1 else {
      throw ProgramError("a gradient starts from a scalar loss, not from \(loss.type)")
    }
    let calls = program.calls
    var isOnPath = Set(targets.map(\.id))
    for call in calls where call.inputs.contains(where: isOnPath.contains) {
      isOnPath.formUnion(call.outputs.compactMap { $0 })
    }
    guard isOnPath.contains(loss.id) else { throw ProgramError("the loss depends on none of the parameters") }

    let outer = path
    defer { path = outer }
    path = "loss"
    var gradients: [Int: Value] = [:]
    gradients[loss.id] = try append(Fill(value: 1, shape: loss.shape.extents, elementType: loss.type.elementType))
    for call in calls.reversed() {
      let upstream = call.outputs.map { $0.flatMap { gradients[$0] } }
      let isNeeded = call.inputs.map(isOnPath.contains)
      guard upstream.contains(where: { $0 != nil }), isNeeded.contains(true) else { continue }
      path = call.path
      let context = GradientContext(
        inputs: call.inputs.map(value), outputs: call.outputs.map { value($0 ?? 0) }, upstream: upstream,
        isNeeded: isNeeded)
      switch try call.operation.gradient(of: context, in: &self) {
      case .stops(let reason):
        throw ProgramError("\(call.operation.name) has no gradient: \(reason)", path: call.path)
      case .flows(let contributions):
        for (input, contribution) in zip(call.inputs, contributions) where isOnPath.contains(input) {
          guard let contribution else { continue }
          guard contribution.type == program.values[input].type else {
            throw ProgramError(
              "the gradient of \(call.operation.name) has type \(contribution.type) for an input of type "
                + "\(program.values[input].type)", path: call.path)
          }
          gradients[input] =
            if let earlier = gradients[input] {
              try append(Binary(.add), earlier, contribution)
            } else {
              contribution
            }
        }
      }
    }
    return gradients
  }

  /// Sums `value` down to `shape`, undoing a broadcast.
  package mutating func sum(_ value: Value, to shape: Shape) throws(ProgramError) -> Value {
    guard value.shape != shape else { return value }
    let axes = value.shape.axesBroadcast(from: shape)
    let summed = axes.isEmpty ? value : try append(Reduce(.sum, axes: axes, keepDimensions: false), value)
    return summed.shape == shape ? summed : try append(Reshape(shape: shape.extents), summed)
  }

  /// A scalar constant.
  package mutating func scalar(_ value: Double, _ elementType: ElementType) throws(ProgramError) -> Value {
    try append(Fill(value: value, shape: [], elementType: elementType))
  }
}
