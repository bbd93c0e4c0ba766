import SwitchbackBackendKit
import SwitchbackPrograms

/// Some calls of a segment as something to run on a number of rows: samples of a batch, time steps of samples, lines,
/// single elements, or tiles of a result. What one call makes is a work; a fused pattern is a work of several calls.
///
/// Values have the segment's numbers. A work may also read and make values that stand in no program (the winners of a
/// pooling, a list of non-zeros): they are numbered behind the segment's, see `Works`.
struct Work: @unchecked Sendable {
  // Unchecked: closures over values that never change.

  /// How an operand is read when the rows are divided into chunks.
  enum Access {
    /// The chunk's rows of it: the operand has as many equal parts as the work has rows.
    case rows
    /// The chunk's tiles of it, which the work whose tiles they are has just made.
    case tiles
    /// All of it.
    case whole
  }

  /// How a result is made.
  enum Form {
    /// Each row of the work makes the same part of it.
    case rows
    /// Each chunk writes its parts of it, wherever they lie; nobody can read it before all chunks have ended.
    case tiles
    /// Each chunk makes a partial sum in memory of its own; these are added in the order of the chunks.
    case sum(Reduction)
    /// A byte that is 1 before a run. A chunk clears it or, of a sum, whoever adds the parts up; several works may.
    case flag(isOfSum: Bool)
  }

  struct Operand {
    var value: Int
    var access: Access
    /// Whether its bytes count where a work is divided: what an operand was packed to does not, beside the operand.
    var isCounted = true
  }

  struct Result {
    /// Under this number the work finds where to write.
    var value: Int
    var form: Form
    /// Whether it is only written beside the others for whoever looks: it must change no cut of anything.
    var isBeside = false
    /// Where a work of its own adds the partial sums: their value.
    var sums: Int?
    /// What whoever adds the partial sums asks of the sum.
    var check: Check?

    /// What later works can read.
    var made: Int { sums ?? value }

    /// Whether one chunk writes it beside the others, of which it has no rows: numbers of each channel, say.
    var isPartBeside: Bool { if case .tiles = form { isBeside } else { false } }
  }

  /// How partial sums are added. Each is zeroed before the chunk's first rows are added to it.
  struct Reduction {
    /// Bytes of one partial sum.
    var byteCount: Int
    /// How many elements can be added without each other; 1: all at once.
    var elements: Int
    /// Adds elements `first` … of `sums`, `count` partial sums that lie `stride` bytes apart, to `result`: that
    /// element's place.
    var add:
      (
        _ sums: UnsafeRawPointer, _ count: Int, _ stride: Int, _ first: Int, _ elements: Int,
        _ result: UnsafeMutableRawPointer
      ) -> Void
  }

  /// Whether all elements of a range pass, and the flag to clear where one does not.
  struct Check {
    var passes: (_ range: UnsafePointer<Float>, _ count: Int) -> Bool
    var flag: Int
  }

  /// Pointers by value number, rows to work on, and memory of its own.
  struct Frame {
    let pointers: UnsafePointer<UnsafeMutableRawPointer>
    /// The number of the first row in the whole work.
    let firstRow: Int
    let rows: Int
    var scratch: UnsafeMutableRawPointer
    let fault: UnsafeMutablePointer<Fault>
    /// What the work's `packing` made.
    var packed: UnsafePointer<Float>?

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

  /// An index outside its axis, and which element it is; position -1 is none.
  struct Fault {
    var position = -1
    var index: Int32 = 0
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

  /// A product of two operands, by matrices or by windows, that can be made tile by tile instead.
  struct Product {
    /// What tiles cut has m rows and n columns; each of its elements takes k multiply-adds.
    var m: Int
    var n: Int
    var k: Int
    var a: Int
    var b: Int
    var resultBytes: Int
    /// What all tiles read together.
    var operandBytes: (TileGrid) -> Int
    /// The work whose rows are the tiles.
    var tiled: (TileGrid) -> Work
  }

  /// Calls of the segment, in order.
  var calls: [Int]
  var operands: [Operand]
  var results: [Result]
  var rows: Int
  /// Whether several chunks may share the rows.
  var isDivisible: Bool
  /// Rows that it wants in a chunk and a block, where there are as many: what it reads whole it reads again and again, for
  /// all of them together.
  var rowsAtOnce = 1
  /// Rows that it adds up in groups of so many from the first of a block: blocks end where a group does, so that sums have
  /// the same bits however a chunk is cut into blocks.
  var groupedRows = 1
  /// Whether rows can be made without rows of an operand (random numbers, a stretched scalar).
  var isSource = false
  var cost = Cost(flops: 0, bytes: 0)
  /// Whether it only watches: probes must not change how anything else is divided.
  var isProbe = false
  /// Whether it only packs what the next work reads.
  var isPacking = false
  var product: Product?
  /// The operand that it reads in another form.
  var packing: Packing?
  /// The tiles that its rows are.
  var grid: TileGrid?
  /// Whether its rows are those of the samples of the batch; see `Division`.
  var isBySamples = false
  /// Where it only asks whether all elements of its operands pass: asks a range of them; see `Works.splitChecks`.
  var check: ((_ range: UnsafePointer<Float>, _ count: Int) -> Bool)?
  /// Where it adds partial sums: their value, and how.
  var adding: (sums: Int, reduction: Reduction)?
  /// Where it reads indices that may be wrong.
  var bound: Bound?
  /// How many times the operation's own bound its results may be off, of a work of one call; fused ones run the same
  /// kernels, or sums by definition.
  var errorFactor = 1.0
  /// What else is told of it: `direct`.
  var notes: [String] = []
  /// Bytes of scratch memory for that many rows.
  var scratch: (_ rows: Int) -> Int = { _ in 0 }
  var run: (Frame) -> Void
}

/// What a segment's calls became, in an order in which they may run.
struct Works {
  var works: [Work] = []
  /// Values that the host keeps, in the order in which the segment states them.
  var kept: [Kept] = []
  /// For each value number its bytes: the segment's values, then those that stand in no program.
  var byteCounts: [Int]

  init(_ segment: Segment) { byteCounts = segment.values.map(\.type.byteCount) }

  /// For each value whether it is a temporary, looked at or not: whoever looks changes nothing of what is divided.
  func isTemporary(in segment: Segment) -> [Bool] {
    byteCounts.indices.map {
      guard $0 < segment.values.count else { return true }
      let role = segment.values[$0].role
      return role == .temporary || role == .tap
    }
  }

  /// A value that stands in no program.
  mutating func addValue(byteCount: Int) -> Int {
    byteCounts.append(byteCount)
    return byteCounts.count - 1
  }
}
