/// Where in a few pools each block lies: blocks that are never alive together share bytes.
///
/// Largest first, each at the lowest offset that is free while it lives (Pisarchyk and Lee, *Efficient Memory
/// Management for Deep Neural Net Inference*, 2020, §4.3). A pool is one allocation; what does not fit below `limit`
/// goes to the next.
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

  /// For each block its offset in its pool.
  package private(set) var offsets: [Int]
  /// Bytes of each pool. A block above the limit has a pool of its own, which its device will refuse.
  package private(set) var pools: [Int] = []
  private var poolOfBlock: [Int]

  package var byteCount: Int { pools.reduce(0, +) }
  package func pool(of block: Int) -> Int { poolOfBlock[block] }

  /// Offsets are multiples of `alignment`; no pool has more than `limit` bytes.
  package init(_ blocks: [Block], alignment: Int = 64, limit: Int = .max) {
    offsets = Array(repeating: 0, count: blocks.count)
    poolOfBlock = Array(repeating: 0, count: blocks.count)
    // By their offsets, so that a look at what lies below the first gap is all that a block costs.
    var placed: [[Placed]] = []
    let order = blocks.indices.sorted {
      (blocks[$1].byteCount, $0) < (blocks[$0].byteCount, $1)
    }
    for index in order {
      let block = blocks[index]
      var pool = 0
      while true {
        if pool == placed.count {
          placed.append([])
          pools.append(0)
        }
        var offset = 0
        for other in placed[pool] {
          if offset + block.byteCount <= other.offset { break }
          // Without a branch, which nothing could foresee.
          let isNeighbour = other.birth <= block.death && block.birth <= other.death
          offset = max(offset, isNeighbour ? other.end : 0)
        }
        if offset + block.byteCount <= limit || placed[pool].isEmpty {
          offsets[index] = offset
          break
        }
        pool += 1
      }
      poolOfBlock[index] = pool
      let end = (offsets[index] + block.byteCount + alignment - 1) / alignment * alignment
      let place = placed[pool].firstIndexAbove(offsets[index])
      placed[pool].insert(
        Placed(offset: offsets[index], end: end, birth: block.birth, death: block.death), at: place)
      pools[pool] = max(pools[pool], offsets[index] + block.byteCount)
    }
  }
}

/// A block that has its place.
private struct Placed {
  var offset: Int
  /// Where the next may begin.
  var end: Int
  var birth: Int
  var death: Int
}

extension [Placed] {
  /// Of those in the order of their offsets the first that lies above an offset.
  fileprivate func firstIndexAbove(_ offset: Int) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].offset <= offset { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
