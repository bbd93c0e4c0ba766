import Foundation

/// Memory that a batch is written to: for each field of a data set `[rows] + shape`, row-major. It is its own, or that of a
/// program's inputs.
public final class BatchMemory: @unchecked Sendable {
  // Unchecked: who may write when is up to whoever hands it over.
  public let fields: [Field]
  /// Room for so many samples.
  public let rows: Int
  private let blocks: [Block]
  /// What keeps memory of others alive.
  private let owner: AnyObject?

  private struct Block {
    var start: UnsafeMutableRawPointer
    var rowByteCount: Int
    var isOwn: Bool
  }

  /// Memory of its own, zeros. Too much for this machine is an error.
  public convenience init(_ fields: [Field], rows: Int) throws(DatasetError) {
    try self.init(fields, rows: rows, borrowed: [:], from: nil)
  }

  /// `borrowed` gives fields by their numbers memory of `owner`, of exactly their size; the others get their own.
  public init(
    _ fields: [Field], rows: Int, borrowed: [Int: UnsafeMutableRawBufferPointer], from owner: AnyObject?
  ) throws(DatasetError) {
    (self.fields, self.rows, self.owner) = (fields, rows, owner)
    var blocks: [Block] = []
    for (index, field) in fields.enumerated() {
      if let memory = borrowed[index], let start = memory.baseAddress {
        precondition(memory.count == rows * field.byteCount, "\(memory.count) bytes for \(rows) of \(field)")
        blocks.append(Block(start: start, rowByteCount: field.byteCount, isOwn: false))
      } else if let start = Self.allocate(field, rows) {
        blocks.append(Block(start: start, rowByteCount: field.byteCount, isOwn: true))
      } else {
        for block in blocks where block.isOwn { free(block.start) }
        throw DatasetError(
          .invalid,
          "a batch of \(rows) samples \(field) cannot be had in memory: take a smaller training.batch_size, or smaller "
            + "samples")
      }
    }
    self.blocks = blocks
  }

  private static func allocate(_ field: Field, _ rows: Int) -> UnsafeMutableRawPointer? {
    var byteCount = field.elementType.byteCount
    for extent in [rows] + field.shape {
      let (product, overflows) = byteCount.multipliedReportingOverflow(by: max(extent, 1))
      guard !overflows, product < 1 << 50 else { return nil }
      byteCount = product
    }
    return calloc(1, byteCount)
  }

  deinit { for block in blocks where block.isOwn { free(block.start) } }

  /// The bytes of one sample's field, both by their numbers.
  public subscript(field: Int, row: Int) -> UnsafeMutableRawBufferPointer {
    precondition(row >= 0 && row < rows, "row \(row) of \(rows)")
    let block = blocks[field]
    return UnsafeMutableRawBufferPointer(start: block.start + row * block.rowByteCount, count: block.rowByteCount)
  }

  /// Copies the first `count` samples of memory for the same fields.
  func copy(_ count: Int, from other: BatchMemory) {
    precondition(count <= min(rows, other.rows), "\(count) of \(other.rows) rows into \(rows)")
    for (block, source) in zip(blocks, other.blocks) {
      block.start.copyMemory(from: source.start, byteCount: count * block.rowByteCount)
    }
  }

  /// A field of the first `count` samples as numbers, for looking at them: bytes that stand for others (`Field.scale`) as
  /// these unless they are wanted `asStored`.
  public func numbers(_ field: Int, count: Int, asStored: Bool = false) -> [Double] {
    let scale = asStored ? nil : fields[field].scale
    return (0..<count).flatMap { row -> [Double] in
      let bytes = self[field, row]
      return switch fields[field].elementType {
      case .float32: bytes.bindMemory(to: Float.self).map(Double.init)
      case .int32: bytes.bindMemory(to: Int32.self).map(Double.init)
      case .uint8: bytes.map { Double(Float($0) * (scale ?? 1)) }
      }
    }
  }
}
