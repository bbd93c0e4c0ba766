import SwitchbackPrograms

extension WorkMaker {
  private func sizes(_ geometry: PoolingGeometry, x: Shape, y: Shape) -> [Argument] {
    (Array(x.extents[1...]) + y.extents[1..<3] + geometry.poolSize + geometry.strides
      + [geometry.padding[0], geometry.padding[2]]).map(Argument.int)
  }

  func pool(_ function: String, _ geometry: PoolingGeometry) -> Work {
    let count = result.shape.elementCount
    return Work([
      Launch(
        KernelName("pooling", function),
        [input(0), output, .int(count)] + sizes(geometry, x: shape(0), y: result.shape), elements: count)
    ])
  }

  func maxPoolBackward(_ geometry: PoolingGeometry) -> Work {
    maxPoolBackward(geometry, into: output, through: nil, alpha: 0)
  }

  /// With `function` the gradient goes on through the activation whose result x is.
  func maxPoolBackward(
    _ geometry: PoolingGeometry, into dx: Argument, through function: UnaryFunction?, alpha: Double
  ) -> Work {
    let count = shape(0).elementCount
    return Work([
      Launch(
        KernelName("pooling", "max_pool_backward", function.map { ["-DFUNCTION=backward_\($0.rawValue)"] } ?? []),
        [input(0), input(1), dx, .float(alpha), .int(count)] + sizes(geometry, x: shape(0), y: shape(1)),
        elements: count)
    ])
  }

  func averagePoolBackward(_ geometry: PoolingGeometry) -> Work {
    let count = result.shape.elementCount
    return Work([
      Launch(
        KernelName("pooling", "average_pool_backward"),
        [input(0), output, .int(count)] + sizes(geometry, x: result.shape, y: shape(0)), elements: count)
    ])
  }
}
