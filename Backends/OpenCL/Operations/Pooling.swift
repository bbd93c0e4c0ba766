import SwitchbackPrograms

extension MaxPool2D: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.pool("max_pool", geometry) }
}

extension MaxPool2DBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.maxPoolBackward(geometry) }
}

extension AveragePool2D: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.pool("average_pool", geometry) }
}

extension AveragePool2DBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.averagePoolBackward(geometry) }
}

extension WorkMaker {
  /// A launch over the cells of `grid` [images, rows, columns, channels]; a GPU's work-items have one channel each, so
  /// that neighbours read neighbours, a CPU's as many as a register.
  private func launch(
    _ function: String, _ geometry: PoolingGeometry, x: Shape, y: Shape, over grid: Shape, _ arguments: [Argument],
    options: [String] = []
  ) -> Work {
    let channels = grid[3]
    let vector = traits.deviceClass == .cpu ? [16, 8, 4].first { channels % $0 == 0 } ?? 1 : 1
    var group = 1
    while traits.deviceClass != .cpu, group < channels, group < 64 { group *= 2 }
    let cells = grid.extents[..<3].reduce(1, *)
    let sizes =
      Array(x.extents[1...]) + y.extents[1..<3] + geometry.poolSize + geometry.strides
      + [geometry.padding[0], geometry.padding[2]]
    return Work([
      Launch(
        KernelName("pooling", function, ["-DVECTOR=\(vector)"] + options),
        arguments + [.int(cells)] + sizes.map(Argument.int), global: [channels / vector, cells],
        local: traits.deviceClass == .cpu ? [1, 8] : [group, 1])
    ])
  }

  func pool(_ function: String, _ geometry: PoolingGeometry) -> Work {
    launch(function, geometry, x: shape(0), y: result.shape, over: result.shape, [input(0), output])
  }

  func maxPoolBackward(_ geometry: PoolingGeometry) -> Work {
    maxPoolBackward(geometry, into: output, through: [], alpha: 0)
  }

  /// With options of a `function` the gradient goes on through the activation whose result x is; the value `ungated` is
  /// what it was before.
  func maxPoolBackward(
    _ geometry: PoolingGeometry, into dx: Argument, through function: [String], alpha: Double, ungated: Int? = nil
  ) -> Work {
    let (image, size) = (shape(0), geometry.poolSize)
    let isApart = size == geometry.strides && geometry.padding.allSatisfy { $0 == 0 }
    let windows: Shape = [
      image[0], (image[1] + size[0] - 1) / size[0], (image[2] + size[1] - 1) / size[1], image[3],
    ]
    return launch(
      isApart ? "max_pool_apart_backward" : "max_pool_backward", geometry, x: image, y: shape(1),
      over: isApart ? windows : image,
      [input(0), input(1), dx, ungated.map(Argument.value) ?? .unused, .float(alpha)],
      options: function + (ungated == nil ? [] : ["-DKEEP_UNGATED"]))
  }

  func averagePoolBackward(_ geometry: PoolingGeometry) -> Work {
    launch(
      "average_pool_backward", geometry, x: result.shape, y: shape(0), over: result.shape, [input(0), output])
  }
}
