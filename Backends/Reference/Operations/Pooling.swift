import SwitchbackBackendKit
import SwitchbackPrograms

extension PoolingGeometry {
  /// Calls `body` for each cell of the image in the window of result (p, q), rows first.
  @inline(__always)
  fileprivate func forEachCell(_ p: Int, _ q: Int, in image: Shape, _ body: (_ h: Int, _ v: Int) -> Void) {
    let (top, left) = (p * strides[0] - padding[0], q * strides[1] - padding[2])
    for h in max(top, 0)..<max(min(top + poolSize[0], image[1]), max(top, 0)) {
      for v in max(left, 0)..<max(min(left + poolSize[1], image[2]), max(left, 0)) { body(h, v) }
    }
  }

  fileprivate func cellCount(_ p: Int, _ q: Int, in image: Shape) -> Int {
    var count = 0
    forEachCell(p, q, in: image) { _, _ in count += 1 }
    return count
  }
}

extension MaxPool2D: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, y, geometry) = (operands.inputs[0].elements(type), result.elements(type), geometry)
    let (image, out) = (operands.inputs[0].shape, result.shape)
    let channels = image[3]
    operands.parallel(image[0]) {
      for n in $0 {
        for p in 0..<out[1] {
          for q in 0..<out[2] {
            let best = y + ((n * out[1] + p) * out[2] + q) * channels
            best.update(repeating: -.infinity, count: channels)
            geometry.forEachCell(p, q, in: image) { h, v in
              let cell = x + ((n * image[1] + h) * image[2] + v) * channels
              // The first NaN wins, and stays, so that it is seen.
              for c in 0..<channels where !(cell[c] <= best[c]) && !best[c].isNaN { best[c] = cell[c] }
            }
          }
        }
      }
    }
  }
}

extension MaxPool2DBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, dy, dx) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type), result.elements(type))
    let (image, out, geometry) = (operands.inputs[0].shape, operands.inputs[1].shape, geometry)
    let channels = image[3]
    let size = image[1] * image[2] * channels
    operands.parallel(image[0]) {
      for n in $0 {
        dx.advanced(by: n * size).update(repeating: 0, count: size)
        for p in 0..<out[1] {
          for q in 0..<out[2] {
            let upstream = dy + ((n * out[1] + p) * out[2] + q) * channels
            for c in 0..<channels {
              var best = -T.infinity
              var winner = -1
              geometry.forEachCell(p, q, in: image) { h, v in
                let cell = (h * image[2] + v) * channels + c
                let value = x[n * size + cell]
                if winner < 0 || !(value <= best) && !best.isNaN { (best, winner) = (value, cell) }
              }
              dx[n * size + winner] += upstream[c]
            }
          }
        }
      }
    }
  }
}

extension AveragePool2D: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, y, geometry) = (operands.inputs[0].elements(type), result.elements(type), geometry)
    let (image, out) = (operands.inputs[0].shape, result.shape)
    let channels = image[3]
    operands.parallel(image[0]) {
      for n in $0 {
        for p in 0..<out[1] {
          for q in 0..<out[2] {
            let mean = y + ((n * out[1] + p) * out[2] + q) * channels
            mean.update(repeating: 0, count: channels)
            geometry.forEachCell(p, q, in: image) { h, v in
              let cell = x + ((n * image[1] + h) * image[2] + v) * channels
              for c in 0..<channels { mean[c] += cell[c] }
            }
            let count = T(geometry.cellCount(p, q, in: image))
            for c in 0..<channels { mean[c] /= count }
          }
        }
      }
    }
  }
}

extension AveragePool2DBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (dy, dx, geometry) = (operands.inputs[0].elements(type), result.elements(type), geometry)
    let (image, out) = (result.shape, operands.inputs[0].shape)
    let channels = image[3]
    let size = image[1] * image[2] * channels
    operands.parallel(image[0]) {
      for n in $0 {
        dx.advanced(by: n * size).update(repeating: 0, count: size)
        for p in 0..<out[1] {
          for q in 0..<out[2] {
            let upstream = dy + ((n * out[1] + p) * out[2] + q) * channels
            let count = T(geometry.cellCount(p, q, in: image))
            geometry.forEachCell(p, q, in: image) { h, v in
              let cell = dx + n * size + (h * image[2] + v) * channels
              for c in 0..<channels { cell[c] += upstream[c] / count }
            }
          }
        }
      }
    }
  }
}
