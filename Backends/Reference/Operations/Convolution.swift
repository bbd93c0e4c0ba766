import SwitchbackBackendKit
import SwitchbackPrograms

/// Extents of a convolution, by the letters of its law.
private struct Extents {
  let images: Int
  let height: Int
  let width: Int
  let channels: Int
  let rows: Int
  let columns: Int
  let filters: Int
  let kernelHeight: Int
  let kernelWidth: Int
  let groups: Int
  let geometry: ConvolutionGeometry
  /// Channels and filters of one group.
  let groupChannels: Int
  let groupFilters: Int

  init(_ geometry: ConvolutionGeometry, x: Shape, kernelSize: [Int], y: Shape) {
    (images, height, width, channels) = (x[0], x[1], x[2], x[3])
    (rows, columns, filters) = (y[1], y[2], y[3])
    (kernelHeight, kernelWidth) = (kernelSize[0], kernelSize[1])
    self.geometry = geometry
    groups = geometry.groups
    groupChannels = channels / groups
    groupFilters = filters / groups
  }

  /// The row of x that row `p` of y sees through row `i` of the kernel, or nil in the padding.
  func inputRow(_ p: Int, _ i: Int) -> Int? {
    let row = p * geometry.strides[0] + i * geometry.dilations[0] - geometry.padding[0]
    return row >= 0 && row < height ? row : nil
  }

  func inputColumn(_ q: Int, _ j: Int) -> Int? {
    let column = q * geometry.strides[1] + j * geometry.dilations[1] - geometry.padding[2]
    return column >= 0 && column < width ? column : nil
  }
}

extension Convolution2D: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, w, y) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type), result.elements(type))
    let kernel = operands.inputs[1].shape
    let e = Extents(geometry, x: operands.inputs[0].shape, kernelSize: [kernel[0], kernel[1]], y: result.shape)
    // Which element a pool keeps and which relu is open hangs on a forward value's last bits. Summed in Float64 and rounded
    // once, they are not the specification's own rounding where two backends disagree. Gradients decide nothing of the
    // kind: they are summed as they are.
    operands.parallel(e.images * e.rows) {
      let sums = UnsafeMutablePointer<Double>.allocate(capacity: max(e.filters, 1))
      defer { sums.deallocate() }
      for row in $0 {
        let (n, p) = (row / e.rows, row % e.rows)
        for q in 0..<e.columns {
          let pixel = y + (row * e.columns + q) * e.filters
          sums.initialize(repeating: 0, count: e.filters)
          for i in 0..<e.kernelHeight {
            guard let h = e.inputRow(p, i) else { continue }
            for j in 0..<e.kernelWidth {
              guard let v = e.inputColumn(q, j) else { continue }
              let seen = x + ((n * e.height + h) * e.width + v) * e.channels
              let taps = w + (i * e.kernelWidth + j) * e.groupChannels * e.filters
              for g in 0..<e.groups {
                let out = sums + g * e.groupFilters
                for c in 0..<e.groupChannels {
                  let factor = Double(seen[g * e.groupChannels + c])
                  let line = taps + c * e.filters + g * e.groupFilters
                  for k in 0..<e.groupFilters { out[k] += factor * Double(line[k]) }
                }
              }
            }
          }
          for k in 0..<e.filters { pixel[k] = T(sums[k]) }
        }
      }
    }
  }
}

extension Convolution2DBackwardInput: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (dy, w, dx) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type), result.elements(type))
    let kernel = operands.inputs[1].shape
    let e = Extents(geometry, x: result.shape, kernelSize: [kernel[0], kernel[1]], y: operands.inputs[0].shape)
    // w[i,j,c,k] as [i,j,k,c], so that the inner loop runs along the channels of dx.
    let size = kernel.elementCount
    let turned = UnsafeMutablePointer<T>.allocate(capacity: max(size, 1))
    defer { turned.deallocate() }
    for tap in 0..<(e.kernelHeight * e.kernelWidth) {
      for c in 0..<e.groupChannels {
        for k in 0..<e.filters {
          turned[(tap * e.filters + k) * e.groupChannels + c] = w[(tap * e.groupChannels + c) * e.filters + k]
        }
      }
    }
    operands.parallel(e.images) {
      for n in $0 {
        let image = dx + n * e.height * e.width * e.channels
        image.update(repeating: 0, count: e.height * e.width * e.channels)
        for p in 0..<e.rows {
          for q in 0..<e.columns {
            let pixel = dy + ((n * e.rows + p) * e.columns + q) * e.filters
            for i in 0..<e.kernelHeight {
              guard let h = e.inputRow(p, i) else { continue }
              for j in 0..<e.kernelWidth {
                guard let v = e.inputColumn(q, j) else { continue }
                let out = image + (h * e.width + v) * e.channels
                let taps = turned + (i * e.kernelWidth + j) * e.filters * e.groupChannels
                for g in 0..<e.groups {
                  let channels = out + g * e.groupChannels
                  for k in g * e.groupFilters..<(g + 1) * e.groupFilters {
                    let factor = pixel[k]
                    let line = taps + k * e.groupChannels
                    for c in 0..<e.groupChannels { channels[c] += factor * line[c] }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}

extension Convolution2DBackwardFilter: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, dy, dw) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type), result.elements(type))
    let e = Extents(
      geometry, x: operands.inputs[0].shape, kernelSize: kernelSize, y: operands.inputs[1].shape)
    // One item a row of dw: a kernel cell and a channel of a group.
    operands.parallel(e.kernelHeight * e.kernelWidth * e.groupChannels) {
      for item in $0 { dw.advanced(by: item * e.filters).update(repeating: 0, count: e.filters) }
      for n in 0..<e.images {
        for p in 0..<e.rows {
          for q in 0..<e.columns {
            let pixel = dy + ((n * e.rows + p) * e.columns + q) * e.filters
            for item in $0 {
              let (tap, c) = (item / e.groupChannels, item % e.groupChannels)
              guard let h = e.inputRow(p, tap / e.kernelWidth), let v = e.inputColumn(q, tap % e.kernelWidth) else {
                continue
              }
              let seen = x + ((n * e.height + h) * e.width + v) * e.channels
              let out = dw + item * e.filters
              for g in 0..<e.groups {
                let factor = seen[g * e.groupChannels + c]
                for k in g * e.groupFilters..<(g + 1) * e.groupFilters { out[k] += factor * pixel[k] }
              }
            }
          }
        }
      }
    }
  }
}
