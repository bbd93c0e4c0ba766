import SwitchbackBackendKit

/// A lane as workers run it.
struct LanePlan {
  struct Step {
    var run: (Work.Frame) -> Void
    /// Rows of the work to each unit of the lane.
    var rowsPerUnit: Int
    /// The group that its time belongs to.
    var group: Int
    /// The memory that it fills, where the host keeps it.
    var kept: Int?
    /// The call to blame, and what its indices must stay below.
    var call: Int
    var bound: Work.Bound?
  }

  /// How a worker's table gets a value's address.
  struct Address {
    enum Base {
      case view, workspace, own
      case kept(Int)
    }
    var value: Int
    var base: Base
    var offset: Int
    /// Bytes from one unit to the next; 0 where all of it is seen, or a block's rows lie at one place.
    var unitStride = 0
    /// Bytes from one chunk's partial sum to the next.
    var chunkStride = 0
  }

  struct PartialSum {
    var offset: Int
    var stride: Int
    var byteCount: Int
  }

  /// Partial sums that whoever ends the last chunk adds up.
  struct LastSum {
    var reduction: Work.Reduction
    var offset: Int
    var stride: Int
    var result: Address
    var check: LastCheck?
  }

  /// Asked of a sum when its parts are added up: whether its `count` elements pass. Where one does not, `flag` is cleared.
  struct LastCheck {
    var passes: (UnsafePointer<Float>, Int) -> Bool
    var count: Int
    var flag: Address
  }

  let chunks: Chunks
  /// The number of its first chunk in the stage.
  let firstChunk: Int
  let steps: FixedList<Step>
  let addresses: FixedList<Address>
  let sums: FixedList<PartialSum>
  let lastSums: FixedList<LastSum>

  func discard() {
    steps.discard()
    addresses.discard()
    sums.discard()
    lastSums.discard()
  }

  init(
    _ lane: Stages.Lane, chunks: Chunks, firstChunk: Int, stage: Int, index: Int, _ works: Works, _ places: Places,
    groupOfWork: [Int], chunkCountOfSums: [Int: Int]
  ) {
    self.chunks = chunks
    self.firstChunk = firstChunk
    var steps: [Step] = []
    var addresses: [Int: Address] = [:]
    var sums: [PartialSum] = []
    var lastSums: [LastSum] = []
    func address(_ value: Int, isByRows: Bool) -> Address {
      Address(value, places, unitStride: isByRows && lane.units > 1 ? works.byteCounts[value] / lane.units : 0)
    }
    for number in lane.works {
      let work = works.works[number]
      for operand in work.operands {
        addresses[operand.value] = address(operand.value, isByRows: operand.access == .rows)
      }
      for result in work.results {
        switch result.form {
        case .rows: addresses[result.value] = address(result.value, isByRows: true)
        case .tiles, .flag: addresses[result.value] = address(result.value, isByRows: false)
        case .sum(let reduction):
          let (offset, stride) = places.sums[.init(stage: stage, lane: index, value: result.value)]!
          addresses[result.value] = Address(
            value: result.value, base: .workspace, offset: offset, chunkStride: stride)
          sums.append(PartialSum(offset: offset, stride: stride, byteCount: reduction.byteCount))
          if result.sums == nil {
            let check = result.check.map {
              LastCheck(
                passes: $0.passes, count: works.byteCounts[result.value] / 4, flag: address($0.flag, isByRows: false))
            }
            lastSums.append(
              LastSum(
                reduction: reduction, offset: offset, stride: stride,
                result: address(result.value, isByRows: false), check: check))
          }
        }
      }
      var run = work.run
      if let (sums, reduction) = work.adding {
        let (count, value) = (chunkCountOfSums[sums] ?? 1, work.results[0].value)
        let stride = (reduction.byteCount + 63) / 64 * 64
        run = { frame in
          reduction.add(
            UnsafeRawPointer(frame.pointers[sums]), count, stride, frame.firstRow, frame.rows, frame.pointers[value])
        }
      }
      steps.append(
        Step(
          run: run, rowsPerUnit: work.rows / max(lane.units, 1), group: groupOfWork[number],
          kept: work.isPacking ? places.kept(work.results[0].value) : nil,
          call: work.calls.first ?? -1, bound: work.bound))
    }
    self.steps = FixedList(steps)
    self.addresses = FixedList(addresses.values.sorted { $0.value < $1.value })
    self.sums = FixedList(sums)
    self.lastSums = FixedList(lastSums)
  }
}

extension LanePlan.Address {
  init(_ value: Int, _ places: Places, unitStride: Int = 0) {
    self =
      switch places.places[value] {
      case .view: Self(value: value, base: .view, offset: 0, unitStride: unitStride)
      case .workspace(let offset): Self(value: value, base: .workspace, offset: offset, unitStride: unitStride)
      case .own(let offset): Self(value: value, base: .own, offset: offset)
      case .kept(let index): Self(value: value, base: .kept(index), offset: 0)
      }
  }
}
