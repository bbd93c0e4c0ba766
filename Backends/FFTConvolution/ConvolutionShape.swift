import SwitchbackPrograms

/// The three passes of one convolution differ only in which two of image, filter and result are given.
enum Pass: Sendable {
  case forward, backwardInput, backwardFilter
}

/// A convolution by its shapes, the same for all three passes: so they choose the same transforms and can share them.
///
/// An axis on which the kernel does nothing is not transformed: its rows are so many images more. What is left of a
/// convolution over one axis is then always called the horizontal one.
struct ConvolutionShape: Hashable, Sendable {
  /// A tensor of planes: floats between images, rows of folded axes, and along the two axes.
  struct Strides: Hashable, Sendable {
    var image: Int
    var fold: Int
    var vertical: Int
    var horizontal: Int
  }

  let batch: Int
  /// Rows that are images of their own.
  let folds: Int
  let vertical: Axis
  let horizontal: Axis
  let groups: Int
  let channels: Int
  let filters: Int
  let x: Strides
  let y: Strides
  /// Of the filter only the two axes count.
  let w: Strides

  var images: Int { batch * folds }
  var filterSize: Int { vertical.kernel * horizontal.kernel * groupChannels * filters }
  var groupChannels: Int { channels / groups }
  var groupFilters: Int { filters / groups }
  /// One channel to one filter: nothing is summed over channels.
  var isDepthwise: Bool { groupChannels == 1 && groupFilters == 1 }

  init(_ geometry: ConvolutionGeometry, x xs: Shape, kernelSize: [Int], y ys: Shape) {
    let axes = (0..<2).map {
      Axis(
        size: xs[1 + $0], kernel: kernelSize[$0], stride: geometry.strides[$0], dilation: geometry.dilations[$0],
        before: geometry.padding[2 * $0], outputs: ys[1 + $0])
    }
    batch = xs[0]
    groups = geometry.groups
    (channels, filters) = (xs[3], ys[3])
    func isIdle(_ axis: Int) -> Bool {
      kernelSize[axis] == 1 && geometry.strides[axis] == 1 && geometry.padding[2 * axis] == 0
        && geometry.padding[2 * axis + 1] == 0
    }
    func strides(_ shape: Shape) -> [Int] { [shape[2] * shape[3], shape[3]] }
    let (xStrides, yStrides) = (strides(xs), strides(ys))
    let wStrides = [kernelSize[1] * xs[3] / geometry.groups * ys[3], xs[3] / geometry.groups * ys[3]]
    let (xImage, yImage) = (xs[1] * xStrides[0], ys[1] * yStrides[0])
    if let idle = [0, 1].first(where: isIdle) {
      let other = 1 - idle
      folds = axes[idle].size
      (vertical, horizontal) = (.none, axes[other])
      x = Strides(image: xImage, fold: xStrides[idle], vertical: 0, horizontal: xStrides[other])
      y = Strides(image: yImage, fold: yStrides[idle], vertical: 0, horizontal: yStrides[other])
      w = Strides(image: 0, fold: 0, vertical: 0, horizontal: wStrides[other])
    } else {
      folds = 1
      (vertical, horizontal) = (axes[0], axes[1])
      x = Strides(image: xImage, fold: 0, vertical: xStrides[0], horizontal: xStrides[1])
      y = Strides(image: yImage, fold: 0, vertical: yStrides[0], horizontal: yStrides[1])
      w = Strides(image: 0, fold: 0, vertical: wStrides[0], horizontal: wStrides[1])
    }
  }

  /// The pass and the shape of a call, or nil where it is no convolution.
  init?(_ call: Program.Call, _ types: [TensorType], result: TensorType?) {
    switch call.operation {
    case let operation as Convolution2D:
      guard let result else { return nil }
      let w = types[1].shape
      self.init(operation.geometry, x: types[0].shape, kernelSize: [w[0], w[1]], y: result.shape)
    case let operation as Convolution2DBackwardInput:
      guard let result else { return nil }
      let w = types[1].shape
      self.init(operation.geometry, x: result.shape, kernelSize: [w[0], w[1]], y: types[0].shape)
    case let operation as Convolution2DBackwardFilter:
      self.init(operation.geometry, x: types[0].shape, kernelSize: operation.kernelSize, y: types[1].shape)
    default: return nil
    }
  }

  var phaseCount: Int { vertical.phases.count * horizontal.phases.count }

  /// Floats from the tensor's start to an image.
  func offset(_ strides: Strides, image: Int) -> Int { image / folds * strides.image + image % folds * strides.fold }

  /// Multiplications of the direct algorithm, padding counted.
  var directMultiplies: Double {
    Double(images) * Double(vertical.outputs * horizontal.outputs) * Double(vertical.kernel * horizontal.kernel)
      * Double(groupChannels) * Double(filters)
  }
}

extension Pass {
  init?(_ operation: any TensorOperation) {
    switch operation {
    case is Convolution2D: self = .forward
    case is Convolution2DBackwardInput: self = .backwardInput
    case is Convolution2DBackwardFilter: self = .backwardFilter
    default: return nil
    }
  }
}
