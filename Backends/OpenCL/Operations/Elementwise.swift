import SwitchbackOpenCLLibrary
import SwitchbackBackendKit
import SwitchbackPrograms

extension ElementType {
  /// The type in OpenCL C; a bool is a byte.
  var kernelType: String {
    switch self {
    case .float32: "float"
    case .int32: "int"
    case .int64: "long"
    case .float64: "double"
    default: "uchar"
    }
  }

  /// An unsigned integer of the same size: enough for moving elements.
  var bitsType: String {
    switch byteCount {
    case 8: "ulong"
    case 4: "uint"
    case 2: "ushort"
    default: "uchar"
    }
  }
}

/// The functions of the table that the kernels' source has.
enum ElementwiseKernels {
  /// `forward_exp`, `slope_exp`, `backward_relu`
  private static let names: Set<Substring> = Set(
    (ocl_source("functions").map { String(cString: $0) } ?? "").split(separator: "\n").compactMap { line in
      line.hasPrefix("float ") ? line.dropFirst(6).prefix { $0 != "(" } : nil
    })

  /// The options that make a kernel call this function.
  static func forward(_ function: UnaryFunction) throws(Declined) -> [String] {
    guard names.contains("forward_\(function)") else { throw Declined(reason: "\(function) is not implemented here") }
    return ["-DFUNCTION=forward_\(function)"]
  }

  /// The same for its gradient.
  static func backward(_ function: UnaryFunction) throws(Declined) -> [String] {
    if names.contains("backward_\(function)") { return ["-DFUNCTION=backward_\(function)"] }
    guard function.gradientOperand != .none, names.contains("slope_\(function)") else {
      throw Declined(reason: "the gradient of \(function) is not implemented here")
    }
    return ["-DFUNCTION=backward_slope", "-DSLOPE=slope_\(function)"]
  }
}

extension Unary: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.unary(self) }
}

extension UnaryBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.unaryBackward(self) }
}

extension Binary: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.binary(self) }
}

extension Select: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.select() }
}

extension Cast: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.cast(self) }
}

extension Fill: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.fill(self) }
}

extension WorkMaker {
  func unary(_ operation: Unary) throws -> Work {
    let kernel = KernelName("elementwise", "unary", ["-DUNARY"] + (try ElementwiseKernels.forward(operation.function)))
    let count = result.shape.elementCount
    return Work([Launch(kernel, [input(0), output, .float(operation.alpha), .int(count)], elements: count)])
  }

  func unaryBackward(_ operation: UnaryBackward) throws -> Work {
    let kernel = KernelName(
      "elementwise", "unary_backward", ["-DUNARY_BACKWARD"] + (try ElementwiseKernels.backward(operation.function)))
    let count = result.shape.elementCount
    return Work([Launch(kernel, [input(0), input(1), output, .float(operation.alpha), .int(count)], elements: count)])
  }

  func binary(_ operation: Binary) throws -> Work {
    let element = type(0).elementType
    if !element.isFloatingPoint, operation.function == .divide || operation.function == .power {
      throw Declined(reason: "\(operation.function.rawValue) of whole numbers is not defined")
    }
    let walk = try Walk(result: result.shape, operands: [shape(0), shape(1)])
    var options = [
      "-DBINARY", "-DFUNCTION=binary_\(operation.function.rawValue)", "-DT=\(element.kernelType)",
      "-DR=\(result.elementType.kernelType)", walk.option,
    ]
    if element.isFloatingPoint { options.append("-DIS_FLOAT") }
    let count = result.shape.elementCount
    return Work([
      Launch(
        KernelName("elementwise", "binary", options),
        [
          input(0), input(1), output, .eight(walk.extents), .eight(walk.strides[0]), .eight(walk.strides[1]),
          .int(count),
        ], elements: count)
    ])
  }

  func select() throws -> Work {
    let walk = try Walk(result: result.shape, operands: types.map(\.shape))
    let count = result.shape.elementCount
    return Work([
      Launch(
        KernelName("elementwise", "select_elements", ["-DSELECT", "-DT=\(result.elementType.bitsType)", walk.option]),
        [input(0), input(1), input(2), output, .eight(walk.extents)] + walk.strides.map(Argument.eight)
          + [.int(count)], elements: count)
    ])
  }

  func cast(_ operation: Cast) -> Work {
    let (from, to) = (type(0).elementType, operation.to)
    // From a float out of range to the nearest end; between whole numbers the low bits.
    let saturates = from.isFloatingPoint && !to.isFloatingPoint
    var options = [
      "-DCAST", "-DFROM=\(from.kernelType)", "-DTO=\(to.kernelType)",
      "-DCONVERT=convert_\(to.kernelType)\(saturates ? "_sat_rtz" : "")",
    ]
    if to == .bool { options.append("-DTO_BOOL") }
    let count = result.shape.elementCount
    return Work([Launch(KernelName("elementwise", "cast", options), [input(0), output, .int(count)], elements: count)])
  }

  func fill(_ operation: Fill) -> Work { Work([fillLaunch(with: operation.value)]) }

  /// Fills the result.
  func fillLaunch(with value: Double) -> Launch {
    let (element, count) = (result.elementType, result.shape.elementCount)
    let bits: UInt64 =
      switch element {
      case .float32: UInt64(Float(value).bitPattern)
      case .int32: UInt64(UInt32(bitPattern: Int32(clamping: Int(value))))
      case .int64: UInt64(bitPattern: Int64(value))
      case .bool: value != 0 ? 1 : 0
      default: UInt64(UInt8(clamping: Int(value)))
      }
    return Launch(
      KernelName("elementwise", "fill", ["-DFILL", "-DT=\(element.bitsType)"]),
      [output, .bits(bits, byteCount: element.byteCount), .int(count)], elements: count)
  }
}
