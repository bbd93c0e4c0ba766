import SwitchbackPrograms

extension Convolution2D: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.convolution(self) }
}

extension Convolution2DBackwardInput: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.convolutionBackwardInput(self) }
}

extension Convolution2DBackwardFilter: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.convolutionBackwardFilter(self) }
}

extension WorkMaker {
  func convolution(_ operation: Convolution2D) -> Work { convolution(operation, into: output, epilogue: Epilogue()) }

  func convolution(_ operation: Convolution2D, into y: Argument, epilogue: Epilogue) -> Work {
    let (x, w) = (shape(0), shape(1))
    let size = segment.values[call.outputs[0] ?? 0].type.shape
    guard operation.groups == 1 else {
      return grouped(
        "grouped_forward", operation.geometry, x: x, kernel: [w[0], w[1]], y: size, [input(0), input(1), y],
        count: size.elementCount)
    }
    return multiplyRows(
      GatheredProduct(
        operation.geometry, image: Array(x.extents[1...]), grid: Array(size.extents[..<3]), kernelSize: [w[0], w[1]],
        columns: w[3]), input(0), input(1), filterStrides: [w[2] * w[3], w[3], 1], into: y, epilogue: epilogue)
  }

  func convolutionBackwardInput(_ operation: Convolution2DBackwardInput) -> Work {
    let (dy, w, x) = (shape(0), shape(1), result.shape)
    guard operation.groups == 1 else {
      return grouped(
        "grouped_backward_input", operation.geometry, x: x, kernel: [w[0], w[1]], y: dy, [input(0), input(1), output],
        count: x.elementCount)
    }
    return multiplyRows(
      GatheredProduct(
        operation.geometry, image: Array(dy.extents[1...]), grid: Array(x.extents[..<3]), kernelSize: [w[0], w[1]],
        columns: w[2]), input(0), input(1), filterStrides: [w[2] * w[3], 1, w[3]], into: output, isBackward: true)
  }

  func convolutionBackwardFilter(_ operation: Convolution2DBackwardFilter) -> Work {
    let (x, dy) = (shape(0), shape(1))
    guard operation.groups == 1 else {
      return grouped(
        "grouped_backward_filter", operation.geometry, x: x, kernel: operation.kernelSize, y: dy,
        [input(0), input(1), output], images: x[0], count: result.shape.elementCount)
    }
    return multiplyFilter(
      GatheredProduct(
        operation.geometry, image: Array(x.extents[1...]), grid: Array(dy.extents[..<3]),
        kernelSize: operation.kernelSize, columns: dy[3]), input(0), input(1), into: output)
  }

  private func grouped(
    _ function: String, _ geometry: ConvolutionGeometry, x: Shape, kernel: [Int], y: Shape, _ operands: [Argument],
    images: Int? = nil, count: Int
  ) -> Work {
    let sizes =
      Array(x.extents[1...]) + y.extents[1..<3] + kernel + geometry.strides + geometry.dilations
      + [geometry.padding[0], geometry.padding[2]]
    let before = [y[3], geometry.groups] + (images.map { [$0] } ?? []) + [count]
    return Work([
      Launch(
        KernelName("convolution", function), operands + (before + sizes).map(Argument.int), elements: count)
    ])
  }
}
