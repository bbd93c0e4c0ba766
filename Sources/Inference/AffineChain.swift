import SwitchbackInterchange
import SwitchbackPrograms

/// What follows a product with a weight and only scales and shifts each channel of it: y = scale·(x ∗ kernel) + shift.
///
///     x   kernel
///      ╲  ╱
///     conv2d    matmul, or the transpose of conv2d; the kernel is a weight
///        │
///     + bias    two or more such, of vectors with a number a channel that weights and constants alone enter
///     − mean    between them a reshape that keeps the last axis
///     · factor
///     + beta
///        │
///        y
///
/// Each value between has one reader and is no output, so nobody misses it.
struct AffineChain {
  /// The calls that scale and shift: their places, and which operand is scaled or shifted.
  private(set) var parts: [(place: Int, value: Int)] = []
  /// A number a channel each.
  private var scale, shift: [Double]
  /// Of the kernel, where the channels lie.
  private let axis: Int

  /// `readers` are for each value the places of the calls that read it, and −1 for each output of the program.
  init?(from product: Int, in program: Program, _ readers: [[Int]], _ constants: ConstantVectors) {
    let call = program.calls[product]
    guard let axis = program.channelAxis(of: call), let result = call.outputs[0],
      let channels = program.values[result].type.shape.extents.last
    else { return nil }
    self.axis = axis
    scale = [Double](repeating: 1, count: channels)
    shift = [Double](repeating: 0, count: channels)
    var value = result
    while readers[value].count == 1, let place = readers[value].first, place >= 0 {
      let call = program.calls[place]
      guard call.outputs.count == 1, let result = call.outputs[0] else { break }
      let (before, after) = (program.values[value].type, program.values[result].type)
      if call.operation is Reshape {
        guard after.shape.extents.last == channels else { break }
      } else {
        guard let binary = call.operation as? Binary, before == after,
          let vector = constants[call.inputs[call.inputs[0] == value ? 1 : 0]],
          take(binary.function, vector, isFirst: call.inputs[0] == value)
        else { break }
        parts.append((place, value))
      }
      value = result
    }
    // A bias alone is what a backend adds in the product anyway.
    guard parts.count > 1 else { return nil }
  }

  /// Takes in one more operation; false where it is none that scales or shifts.
  private mutating func take(_ function: BinaryFunction, _ vector: [Double], isFirst: Bool) -> Bool {
    guard vector.count == 1 || vector.count == scale.count else { return false }
    for channel in scale.indices {
      let number = vector[vector.count == 1 ? 0 : channel]
      switch function {
      case .add: shift[channel] += number
      case .subtract where isFirst: shift[channel] -= number
      case .multiply:
        scale[channel] *= number
        shift[channel] *= number
      default: return false
      }
    }
    return true
  }

  /// The kernel scaled, and the shift as a bias, rounded once; nil where one of their numbers is not finite, or a weight
  /// would lose digits because it falls below the normal numbers.
  func folded(_ kernel: Safetensors.Tensor) -> (kernel: [Float], bias: [Float])? {
    let inner = kernel.shape[(axis + 1)...].reduce(1, *)
    let bias = shift.map { Float($0) }
    var numbers = kernel.floats
    for place in numbers.indices {
      let (number, factor) = (numbers[place], scale[place / inner % scale.count])
      let scaled = Float(Double(number) * factor)
      guard scaled.isFinite, scaled.isNormal || !number.isNormal || factor == 0 else { return nil }
      numbers[place] = scaled
    }
    return bias.allSatisfy(\.isFinite) ? (numbers, bias) : nil
  }
}

extension Program {
  /// Of a product of f32 with a weight the axis of the weight that becomes the result's last; nil of another call.
  fileprivate func channelAxis(of call: Call) -> Int? {
    guard call.inputs.count == 2, call.inputs[0] != call.inputs[1], call.outputs.count == 1,
      let result = call.outputs[0], values[call.inputs[1]].role == .state
    else { return nil }
    let (weight, shape) = (values[call.inputs[1]].type, values[result].type.shape)
    guard weight == .float32(weight.shape), shape.elementCount > 0, weight.shape.elementCount > 0 else { return nil }
    return switch call.operation {
    case is Convolution2D: 3
    // With groups a channel's filters lie apart.
    case let transposed as Convolution2DBackwardInput where transposed.groups == 1: 2
    case let product as MatrixMultiplication where weight.shape.rank == 2: product.transposeB ? 0 : 1
    default: nil
    }
  }
}
