import SwitchbackBackendKit
import SwitchbackPrograms

/// One call as something to run on a number of rows (samples of the batch, or the first axis of whatever it is).
struct Kernel: @unchecked Sendable {
  // Unchecked: closures over values that never change.

  /// How an operand is read when the rows are divided into chunks.
  enum Access {
    /// The chunk's rows of it.
    case rows
    /// All of it.
    case whole
  }

  /// An index outside its axis, and which element it is; position -1 is none.
  struct Fault {
    var position = -1
    var index: Int32 = 0
  }

  /// Pointers by the segment's value numbers, rows to work on, and memory of its own.
  struct Frame {
    let pointers: UnsafePointer<UnsafeMutableRawPointer>
    /// The number of the first row in the whole call.
    let firstRow: Int
    let rows: Int
    let scratch: UnsafeMutableRawPointer
    let fault: UnsafeMutablePointer<Fault>

    @inline(__always)
    func floats(_ value: Int) -> UnsafeMutablePointer<Float> { pointers[value].assumingMemoryBound(to: Float.self) }

    /// Whether an index lies in its axis; the first that does not is kept for the error.
    @inline(__always)
    func contains(_ index: Int32, below bound: Int, at position: Int) -> Bool {
      if index >= 0, Int(index) < bound { return true }
      if fault.pointee.position < 0 { fault.pointee = Fault(position: position, index: index) }
      return false
    }
  }

  /// A result that is summed over the rows: each slot (a fixed part of the rows) sums into memory of its own, zeroed
  /// before, and `finish` adds the slots in their order.
  struct Reduction {
    var slotByteCount: Int
    /// `slots` lie `stride` bytes apart.
    var finish: (_ slots: UnsafeRawPointer, _ count: Int, _ stride: Int, _ result: UnsafeMutableRawPointer) -> Void
  }

  /// What indices must stay below, and what they count (`10 classes`).
  struct Bound {
    var count: Int
    var what: String

    func error(_ fault: Fault, operation: Int) -> BackendError {
      BackendError(
        .invalid, "index \(fault.index) at position \(fault.position) is outside the \(count) \(what)",
        operation: operation)
    }
  }

  /// One entry an operand; nil where the call cannot be divided over rows.
  var access: [Access]?
  /// How many rows the whole call has.
  var rows: Int
  /// Whether rows can be made without rows of an operand (random numbers, a stretched scalar).
  var isSource = false
  var reduction: Reduction?
  /// Where the call reads indices that may be wrong.
  var bound: Bound?
  /// Bytes of scratch memory for that many rows.
  var scratch: (_ rows: Int) -> Int = { _ in 0 }
  var run: (Frame) -> Void
}
