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

  /// Pointers by the segment's value numbers, rows to work on, and memory of its own.
  struct Frame {
    let pointers: UnsafePointer<UnsafeMutableRawPointer>
    let rows: Int
    let scratch: UnsafeMutableRawPointer

    @inline(__always)
    func floats(_ value: Int) -> UnsafeMutablePointer<Float> { pointers[value].assumingMemoryBound(to: Float.self) }
  }

  /// A result that is summed over the rows: each slot (a fixed part of the rows) sums into memory of its own, zeroed
  /// before, and `finish` adds the slots in their order.
  struct Reduction {
    var slotByteCount: Int
    /// `slots` lie `stride` bytes apart.
    var finish: (_ slots: UnsafeRawPointer, _ count: Int, _ stride: Int, _ result: UnsafeMutableRawPointer) -> Void
  }

  /// One entry an operand; nil where the call cannot be divided over rows.
  var access: [Access]?
  /// How many rows the whole call has.
  var rows: Int
  var reduction: Reduction?
  /// Bytes of scratch memory for that many rows.
  var scratch: (_ rows: Int) -> Int = { _ in 0 }
  var run: (Frame) -> Void
}

/// Why a call is left to another backend.
struct Declined: Error {
  var reason: String
}
