import SwitchbackPrograms

/// Cases beside the catalogue's: whole numbers and Booleans, of which there are no finite differences, convolutions
/// too long for these, pooling with padding on all sides, and extents around the blocks that kernels work in.
enum FurtherSamples {
  /// Below, at and above whatever somebody may have chosen as a block.
  static let extents = [8, 16, 64, 256, 512, 4096].flatMap { [$0 - 1, $0, $0 + 1] } + [1000]

  /// Beyond this a plain loop takes a tenth of a second, and each sample is asked a dozen times.
  private static let mostQuickFlops = 10_000_000

  /// The catalogue's and those of this file; `areQuick`: none that a plain kernel takes its time for.
  static func samples(of operation: any TensorOperation.Type, areQuick: Bool) -> [OperationSample] {
    operation.samples
      + further(of: operation.name).filter {
        !areQuick || $0.operation.cost(for: $0.inputs).flops <= mostQuickFlops
      }
  }

  private static func further(of operation: String) -> [OperationSample] {
    switch operation {
    case Binary.name:
      let functions = BinaryFunction.allCases.filter { ![.divide, .power].contains($0) }
      return functions.flatMap { function in
        [([5, 3], [5, 3]), ([4, 1, 5], [3, 1]), ([4, 6], [6])].map { (a: [Int], b: [Int]) in
          // Few numbers, so that there are ties.
          OperationSample(Binary(function), [.int32(Shape(a)), .int32(Shape(b))], [.indices(3)])
        }
      }
    case Select.name:
      return [ElementType.int32, .int64, .uint8].map { type in
        OperationSample(
          Select(), [TensorType(.bool, [13]), TensorType(type, [9, 13]), TensorType(type, [9, 1])],
          [.indices(2), .indices(9), .indices(9)])
      }
    case Cast.name: return [OperationSample(Cast(to: .bool), [.float32([37])], [.indices(2)])]
    case MatrixMultiplication.name: return products
    case MaxPool2D.name: return [OperationSample(MaxPool2D(pooling), [image], [.distinct])]
    case MaxPool2DBackward.name:
      return [OperationSample(MaxPool2DBackward(pooling), [image, pooled], [.distinct, .range(-2, 2)])]
    case AveragePool2D.name: return [OperationSample(AveragePool2D(pooling), [image])]
    case AveragePool2DBackward.name:
      return [OperationSample(AveragePool2DBackward(pooling, inputSize: [5, 6]), [pooled])]
    case SoftmaxCrossEntropy.name:
      // Targets with weights do not sum to 1.
      return [
        OperationSample(
          SoftmaxCrossEntropy(), [.float32([5, 7]), .float32([5, 7])], [.range(-4, 4), .range(0, 2)])
      ]
    case SoftmaxCrossEntropyBackward.name:
      return [
        OperationSample(
          SoftmaxCrossEntropyBackward(), [.float32([5, 7]), .float32([5, 7]), .float32([5])],
          [.range(-4, 4), .range(0, 2), .range(-2, 2)])
      ]
    case Convolution2D.name:
      return long.map { OperationSample(Convolution2D($0), [.float32(Shape($1)), .float32(filter($0, $1, $2))]) } + [
        // Mostly background, in several blocks of channels.
        OperationSample(
          Convolution2D(ConvolutionGeometry(groups: 300)), [.float32([1, 6, 6, 300]), .float32([3, 3, 1, 300])],
          [.background(-2, 2), .range(-2, 2)])
      ]
    case Convolution2DBackwardInput.name:
      return long.map {
        OperationSample(
          Convolution2DBackwardInput($0, inputSize: Array($1[1...2])),
          [.float32(result($0, $1, $2)), .float32(filter($0, $1, $2))])
      }
    case Convolution2DBackwardFilter.name:
      return long.map {
        OperationSample(
          Convolution2DBackwardFilter($0, kernelSize: Array($2[..<2])),
          [.float32(Shape($1)), .float32(result($0, $1, $2))])
      }
    default: return []
    }
  }

  /// Each extent as rows, as columns and as terms, with operands read as they lie and exchanged in turn.
  private static let products: [OperationSample] = extents.enumerated().flatMap { index, extent in
    [(extent, 9, 5), (9, extent, 5), (5, 9, extent)].enumerated().flatMap { place, size in
      [0, 1].map { turn in
        let (m, n, k) = size
        let flags = (index + place + 2 * turn) % 4
        let (a, b) = (flags & 1 != 0, flags & 2 != 0)
        return OperationSample(
          MatrixMultiplication(transposeA: a, transposeB: b),
          [.float32(a ? [k, m] : [m, k]), .float32(b ? [n, k] : [k, n])])
      }
    }
  }

  /// Padded above and on the left, where the catalogue's are not.
  private static let pooling = PoolingGeometry(poolSize: [3, 2], strides: [1, 2], padding: [1, 1, 1, 1])
  private static let (image, pooled) = (TensorType.float32([2, 5, 6, 3]), TensorType.float32([2, 5, 4, 3]))

  /// Images and kernels (height, width, filters) whose convolutions are worked off in more than one piece.
  private static let long: [(ConvolutionGeometry, [Int], [Int])] = [
    // Transforms of two stages, and tiles: the last of one output, or of one less than the others.
    (ConvolutionGeometry(groups: 2), [9, 1, 50, 2], [1, 9, 2]),
    (ConvolutionGeometry(groups: 2), [2, 1, 200, 2], [1, 150, 2]),
    (ConvolutionGeometry(groups: 4), [1, 1, 257, 4], [1, 5, 4]),
    (ConvolutionGeometry(groups: 4), [1, 1, 2403, 4], [1, 5, 4]),
    (ConvolutionGeometry(), [1, 1, 200, 3], [1, 150, 2]),
    (ConvolutionGeometry(), [1, 70, 5, 1], [67, 3, 2]),
    (ConvolutionGeometry(), [1, 120, 110, 1], [3, 3, 2]),
    (ConvolutionGeometry(strides: [1, 2], groups: 2), [2, 1, 51, 2], [1, 9, 2]),
    (ConvolutionGeometry(groups: 4), [1, 1, 17000, 4], [1, 16500, 4]),
    // More channels than are transformed at once, and one pair of them along two axes.
    (ConvolutionGeometry(), [1, 6, 6, 300], [3, 3, 1]),
    (ConvolutionGeometry(groups: 300), [1, 6, 6, 300], [3, 3, 300]),
    (ConvolutionGeometry(groups: 2), [1, 32, 32, 2], [5, 5, 2]),
    (ConvolutionGeometry(strides: [2, 2], groups: 2), [1, 7, 7, 520], [3, 3, 2]),
    // More bytes than a slice of a sum over the batch has, or than a small budget holds.
    (ConvolutionGeometry(), [7, 40, 40, 16], [1, 1, 8]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [24, 16, 15, 16], [3, 3, 16]),
    // Filters, channels and images that leave a rest of a block.
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 3, 15]),
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 3, 16]),
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 3, 17]),
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 2, 33]),
    (ConvolutionGeometry(), [2, 4, 4, 17], [2, 3, 65]),
    (ConvolutionGeometry(), [17, 4, 4, 2], [3, 3, 5]),
    (ConvolutionGeometry(), [61, 4, 3, 3], [2, 2, 9]),
    (ConvolutionGeometry(), [250, 3, 3, 2], [2, 2, 7]),
    // Three groups, of more than one channel each.
    (ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 3), [2, 5, 4, 6], [3, 3, 9]),
    (ConvolutionGeometry(strides: [2, 1], groups: 5), [3, 7, 5, 15], [2, 3, 10]),
    // One pixel for each result, but not each pixel, of few channels and of more than eight.
    (ConvolutionGeometry(strides: [2, 2]), [2, 5, 7, 3], [1, 1, 5]),
    (ConvolutionGeometry(strides: [2, 3]), [3, 7, 7, 9], [1, 1, 17]),
    // Padding on one side of an axis along which nothing else happens.
    (ConvolutionGeometry(padding: [1, 0, 0, 0]), [2, 4, 9, 2], [1, 3, 2]),
    (ConvolutionGeometry(padding: [0, 0, 2, 0]), [2, 9, 4, 2], [3, 1, 2]),
  ]

  private static func filter(_ geometry: ConvolutionGeometry, _ image: [Int], _ kernel: [Int]) -> Shape {
    [kernel[0], kernel[1], image[3] / geometry.groups, kernel[2]]
  }

  private static func result(_ geometry: ConvolutionGeometry, _ image: [Int], _ kernel: [Int]) -> Shape {
    let size = (0..<2).map { axis in
      let padded = image[1 + axis] + geometry.padding[2 * axis] + geometry.padding[2 * axis + 1]
      return (padded - kernel[axis]) / geometry.strides[axis] + 1
    }
    return [image[0], size[0], size[1], kernel[2]]
  }
}
