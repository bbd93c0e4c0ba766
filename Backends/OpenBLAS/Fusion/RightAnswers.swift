import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// How many rows have their largest element at their label. It is a part of `SoftmaxLoss`, which has each row at hand.
///
///      x [N, classes]     labels [N]
///            │                │
///          argmax             │
///            │                │
///            └──found──equal──┘
///                        │
///                     isRight ── cast ── counted ── reduce ── total
///
/// Only where nothing else computes with what lies between: where samples have weights, each call stays alone.
struct RightAnswers {
  let found, isRight, counted, total: Int
  /// argmax, equal, cast, reduce.
  let calls: [Int]
  /// The call that makes `total`.
  let reduction: Int

  /// Of `x` and the class numbers `labels`.
  init?(of x: Int, labels: Int, in fusion: Fusion) {
    let (segment, uses) = (fusion.segment, fusion.uses)
    func call(_ index: Int) -> (operation: any TensorOperation, inputs: [Int], result: Int)? {
      guard fusion.computes(index), let result = segment.calls[index].outputs[0] else { return nil }
      return (segment.calls[index].operation, segment.calls[index].inputs, result)
    }
    let largest = uses.readers(of: x).first { (segment.calls[$0].operation as? ArgMax)?.axis == 1 }
    guard let largest, let found = call(largest)?.result,
      let equals = uses.onlyReader(of: found), let comparison = call(equals),
      (comparison.operation as? Binary)?.function == .equal, Set(comparison.inputs) == [found, labels],
      let casts = uses.onlyReader(of: comparison.result), let cast = call(casts),
      (cast.operation as? Cast)?.to == .float32,
      let adds = uses.onlyReader(of: cast.result), let sum = call(adds), let reduce = sum.operation as? Reduce,
      [.sum, .mean].contains(reduce.function), reduce.axes == [0]
    else { return nil }
    (self.found, isRight, counted, total) = (found, comparison.result, cast.result, sum.result)
    (calls, reduction) = ([largest, equals, casts, adds], adds)
  }

  /// The values between, in the order in which they are made.
  var between: [Int] { [found, isRight, counted] }

  /// Adds the right ones among the rows to a partial sum, and writes the values between that are `watched`. `scratch` has a
  /// number for each row.
  func count(
    _ frame: Work.Frame, x: Int, labels: Int, classes: Int, watched: Set<Int>,
    scratch: UnsafeMutablePointer<Int32>, _ kernels: UnsafePointer<sb_kernels>
  ) {
    let known = frame.pointers[labels].assumingMemoryBound(to: Int32.self)
    let answers = watched.contains(found) ? frame.pointers[found].assumingMemoryBound(to: Int32.self) : scratch
    kernels.pointee.argmax(Int64(frame.rows), Int64(classes), frame.floats(x), answers)
    let part = frame.pointers[total].assumingMemoryBound(to: Double.self)
    for row in 0..<frame.rows where answers[row] == known[row] { part.pointee += 1 }
    if watched.contains(isRight) {
      let result = frame.pointers[isRight].assumingMemoryBound(to: UInt8.self)
      for row in 0..<frame.rows { result[row] = answers[row] == known[row] ? 1 : 0 }
    }
    if watched.contains(counted) {
      for row in 0..<frame.rows { frame.floats(counted)[row] = answers[row] == known[row] ? 1 : 0 }
    }
  }
}
