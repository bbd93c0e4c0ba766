/// Where in an arena each block lies: blocks that are never alive together share bytes.
///
/// Largest first, each at the lowest offset that is free while it lives (Pisarchyk and Lee, *Efficient Memory
/// Management for Deep Neural Net Inference*, 2020, §4.3).
package struct MemoryPlan: Sendable {
  package struct Block: Hashable, Sendable {
    package var byteCount: Int
    /// First and last moment of its life.
    package var birth: Int
    package var death: Int

    package init(byteCount: Int, birth: Int, death: Int) {
      (self.byteCount, self.birth, self.death) = (byteCount, birth, death)
    }
  }

  package private(set) var offsets: [Int]
  package private(set) var byteCount = 0
  static let alignment = 64

  package init(_ blocks: [Block]) {
    offsets = Array(repeating: 0, count: blocks.count)
    var placed: [Int] = []
    let order = blocks.indices.sorted {
      (blocks[$1].byteCount, $0) < (blocks[$0].byteCount, $1)
    }
    for index in order {
      let block = blocks[index]
      let neighbours = placed.filter { blocks[$0].birth <= block.death && block.birth <= blocks[$0].death }
        .sorted { offsets[$0] < offsets[$1] }
      var offset = 0
      for other in neighbours {
        if offset + block.byteCount <= offsets[other] { break }
        let end = offsets[other] + blocks[other].byteCount
        offset = max(offset, (end + Self.alignment - 1) / Self.alignment * Self.alignment)
      }
      offsets[index] = offset
      placed.append(index)
      byteCount = max(byteCount, offset + block.byteCount)
    }
  }
}
