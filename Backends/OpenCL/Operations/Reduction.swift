import SwitchbackPrograms

extension Reduce: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.reduce(self) }
}

extension ArgMax: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.argMax(self) }
}

extension Softmax: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.lines("softmax", axis: axis) }
}

extension SoftmaxBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.lines("softmax_backward", axis: axis) }
}

extension SoftmaxCrossEntropy: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.lines("cross_entropy", axis: 1) }
}

extension SoftmaxCrossEntropyBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.lines("cross_entropy_backward", axis: 1) }
}

extension WorkMaker {
  func reduce(_ operation: Reduce) throws -> Work {
    let x = shape(0)
    let strides = x.strides
    let kept = try Walk(
      x.extents.indices.filter { !operation.axes.contains($0) }.map { x[$0] },
      [x.extents.indices.filter { !operation.axes.contains($0) }.map { strides[$0] }])
    let folded = try Walk(operation.axes.map { x[$0] }, [operation.axes.map { strides[$0] }])
    let (results, terms) = (result.shape.elementCount, operation.count(type(0)))
    // Chunks of at least 64 terms, and no more of them than keep a device busy: by shapes alone.
    let chunk = max(64, (terms + 255) / 256)
    let parts = (terms + chunk - 1) / chunk
    let start: Double =
      switch operation.function {
      case .max: -.infinity
      case .min: .infinity
      default: 0
      }
    let (fold, merge): (String, String) =
      switch operation.function {
      case .sum, .mean: ("fold_sum", "fold_sum")
      case .sumSquares: ("fold_sumSquares", "fold_sum")
      case .max: ("fold_max", "fold_max")
      case .min: ("fold_min", "fold_min")
      }
    // A CPU takes results that lie side by side in one register.
    let isWide =
      traits.deviceClass == .cpu && kept.strides[0] == [1] && results % 16 == 0
      && (fold == "fold_sum" || fold == "fold_sumSquares")
    let vector = isWide ? 16 : 1
    let options = [
      "-DVECTOR=\(vector)", "-DFOLD=\(fold)", "-DMERGE=\(merge)", "-DKEPT=\(kept.rank)", "-DFOLDED=\(folded.rank)",
    ]
    let scale = operation.function == .mean ? 1 / Double(terms) : 1
    let folding = Launch(
      KernelName("reduction", "fold", options),
      [
        input(0), .scratch(0), .float(start), .eight(kept.extents), .eight(kept.strides[0]), .eight(folded.extents),
        .eight(folded.strides[0]), .int(results), .int(terms), .int(chunk),
      ], global: [results / vector, parts], local: traits.deviceClass != .cpu && results >= 64 ? [64, 1] : [1, 1])
    let finishing = Launch(
      KernelName("reduction", "finish", options),
      [.scratch(0), output, .float(start), .float(scale), .int(results), .int(parts)], elements: results)
    return Work([folding, finishing], scratch: [max(results * parts, 1) * 4])
  }

  /// Lines along an axis, one work-item each.
  private func lineSizes(_ shape: Shape, axis: Int) -> (sizes: [Argument], count: Int) {
    let (length, inner) = (shape[axis], shape.extents[(axis + 1)...].reduce(1, *))
    let count = length == 0 ? 0 : shape.elementCount / length
    return ([.int(length), .int(inner), .int(count)], count)
  }

  func argMax(_ operation: ArgMax) -> Work {
    let (sizes, count) = lineSizes(shape(0), axis: operation.axis)
    return Work([
      Launch(KernelName("indexing", "argmax", ["-DT=uint"]), [input(0), output] + sizes, elements: count)
    ])
  }

  /// Softmax, its cross-entropy and their gradients: all operands, the result, and the lines of the first operand.
  func lines(_ function: String, axis: Int) -> Work {
    let (sizes, count) = lineSizes(shape(0), axis: axis)
    return Work([
      Launch(KernelName("softmax", function), types.indices.map(input) + [output] + sizes, elements: count)
    ])
  }
}
