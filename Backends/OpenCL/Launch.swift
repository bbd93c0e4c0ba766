import SwitchbackBackendKit
import SwitchbackPrograms

/// A kernel by the source it stands in (a file of `Kernels/`), and the options that make it.
struct KernelName: Hashable {
  var source: String
  var function: String
  var options: String

  init(_ source: String, _ function: String, _ options: [String] = []) {
    (self.source, self.function) = (source, function)
    self.options = options.joined(separator: " ")
  }
}

/// What a kernel is handed.
enum Argument {
  /// The memory of a value of the segment.
  case value(Int)
  /// Memory that lasts for the work's launches; an index into `Work.scratch`.
  case scratch(Int)
  /// Zeros, as many floats as `Work.zeros` says at least.
  case zeros
  /// The word for a wrong index of this work.
  case fault
  /// Nothing reads it: any memory will do.
  case unused
  case int(Int)
  case float(Double)
  /// Eight integers: extents or strides.
  case eight([Int])
  /// The low bytes of a number.
  case bits(UInt64, byteCount: Int)
}

struct Launch {
  var kernel: KernelName
  var arguments: [Argument]
  /// Work-items along one to three axes: multiples of `local`.
  var global: [Int]
  var local: [Int]
  /// The sizes where a work-group has at most so many work-items; nil of a kernel that is compiled for one size, or whose
  /// work-groups are small.
  private(set) var sizes: ((_ mostItems: Int) -> (global: [Int], local: [Int]))?

  init(_ kernel: KernelName, _ arguments: [Argument], global: [Int], local: [Int]) {
    (self.kernel, self.arguments, self.local) = (kernel, arguments, local)
    self.global = zip(global, local).map { ($0 + $1 - 1) / $1 * $1 }
  }

  /// As large as `mostItems` of the device allow, and smaller where the compiled kernel needs more of it.
  init(
    _ kernel: KernelName, _ arguments: [Argument], mostItems: Int,
    sizes: @escaping (_ mostItems: Int) -> (global: [Int], local: [Int])
  ) {
    let largest = sizes(mostItems)
    self.init(kernel, arguments, global: largest.global, local: largest.local)
    self.sizes = sizes
  }

  /// For a compiled kernel whose work-groups have at most so many work-items.
  func fitted(to mostItems: Int) -> Launch {
    guard let sizes, local.reduce(1, *) > mostItems else { return self }
    return Launch(kernel, arguments, mostItems: mostItems, sizes: sizes)
  }

  /// One work-item an element.
  init(_ kernel: KernelName, _ arguments: [Argument], elements: Int) {
    self.init(kernel, arguments, global: [elements], local: [64])
  }
}

/// The launches of one call, or of some that were fused.
struct Work {
  var launches: [Launch]
  /// Bytes of each piece of scratch memory.
  var scratch: [Int] = []
  var zeros = 0
  /// What indices must stay below, where a kernel looks for wrong ones: for the error.
  var bound: (count: Int, what: String)?

  init(_ launches: [Launch], scratch: [Int] = [], zeros: Int = 0) {
    // Nothing is launched over no element: OpenCL refuses it.
    self.launches = launches.filter { !$0.global.contains(0) }
    (self.scratch, self.zeros) = (scratch, zeros)
  }
}

/// A box of elements that several tensors are walked through together, by a kernel: one to eight axes.
struct Walk {
  let extents: [Int]
  /// One list of strides a tensor.
  let strides: [[Int]]

  init(_ extents: [Int], _ tensors: [[Int]]) throws(Declined) {
    let merged = MergedAxes(extents, tensors)
    guard merged.rank <= 8 else {
      throw Declined(reason: "more than eight separate axes are not implemented here")
    }
    self.extents = merged.rank == 0 ? [1] : merged.extents
    strides = merged.rank == 0 ? tensors.map { _ in [0] } : merged.strides
  }

  /// Operands stretched to a result by NumPy's rule.
  init(result: Shape, operands: [Shape]) throws(Declined) {
    try self.init(result.extents, operands.map { $0.strides(stretchedTo: result) })
  }

  var rank: Int { extents.count }
  var option: String { "-DRANK=\(rank)" }
}
