import SwitchbackCPUKernels
import SwitchbackPrograms

extension MaxPool2D: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.maxPool(geometry) }
}

extension MaxPool2DBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.maxPoolBackward(geometry) }
}

extension AveragePool2D: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.averagePool(geometry) }
}

extension AveragePool2DBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.averagePoolBackward(geometry) }
}

extension WorkMaker {
  func maxPool(_ geometry: PoolingGeometry) -> Work {
    let pooling = sb_pooling(geometry, x: type(0).shape, y: segment.values[output].type.shape)
    let (x, y, kernels) = (input(0), output, library.kernels)
    return work(access: [.rows], rows: rowCount(type(0))) { frame in
      withUnsafePointer(to: pooling) {
        kernels.pointee.max_pool($0, Int64(frame.rows), frame.floats(x), frame.floats(y))
      }
    }
  }

  func maxPoolBackward(_ geometry: PoolingGeometry) -> Work {
    let pooling = sb_pooling(geometry, x: type(0).shape, y: type(1).shape)
    let (x, dy, dx, kernels) = (input(0), input(1), output, library.kernels)
    return work(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
      withUnsafePointer(to: pooling) {
        kernels.pointee.max_pool_backward(
          $0, Int64(frame.rows), frame.floats(x), frame.floats(dy), frame.floats(dx))
      }
    }
  }

  func averagePool(_ geometry: PoolingGeometry) -> Work {
    let pooling = sb_pooling(geometry, x: type(0).shape, y: segment.values[output].type.shape)
    let (x, y, kernels) = (input(0), output, library.kernels)
    return work(access: [.rows], rows: rowCount(type(0))) { frame in
      withUnsafePointer(to: pooling) {
        kernels.pointee.average_pool($0, Int64(frame.rows), frame.floats(x), frame.floats(y))
      }
    }
  }

  func averagePoolBackward(_ geometry: PoolingGeometry) -> Work {
    let pooling = sb_pooling(geometry, x: segment.values[output].type.shape, y: type(0).shape)
    let (dy, dx, kernels) = (input(0), output, library.kernels)
    return work(access: [.rows], rows: rowCount(type(0))) { frame in
      withUnsafePointer(to: pooling) {
        kernels.pointee.average_pool_backward($0, Int64(frame.rows), frame.floats(dy), frame.floats(dx))
      }
    }
  }
}

extension sb_pooling {
  init(_ geometry: PoolingGeometry, x: Shape, y: Shape) {
    self.init(
      height: Int32(x[1]), width: Int32(x[2]), channels: Int32(x[3]), rows: Int32(y[1]), columns: Int32(y[2]),
      pool_height: Int32(geometry.poolSize[0]), pool_width: Int32(geometry.poolSize[1]),
      stride_y: Int32(geometry.strides[0]), stride_x: Int32(geometry.strides[1]), top: Int32(geometry.padding[0]),
      left: Int32(geometry.padding[2]))
  }

  /// Rows and columns up to where the last window ends.
  var seenRows: Int { Int(min(height, (rows - 1) * stride_y + pool_height - top)) }
  var seenColumns: Int { Int(min(width, (columns - 1) * stride_x + pool_width - left)) }
}
