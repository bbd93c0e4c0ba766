import SwitchbackBackendKit
import SwitchbackPrograms

/// The works of a segment in order, and where their temporaries lie.
struct LaunchPlan {
  private(set) var works: [FusedCalls] = []
  private(set) var memory: MemoryPlan
  /// Bytes of each block of `memory`.
  private(set) var blockSizes: [Int] = []
  /// For each temporary its block.
  private(set) var blockOfValue: [Int: Int] = [:]
  /// The value whose memory each value uses: itself, or the one it reshapes.
  private(set) var viewOfValue: [Int]
  /// For each work the first of its scratch blocks.
  private(set) var scratchBlocks: [Int] = []
  private let segment: Segment

  init(_ segment: Segment, traits: DeviceTraits) throws(BackendError) {
    self.segment = segment
    viewOfValue = Array(segment.values.indices)
    memory = MemoryPlan([])
    let fusion = Fusion(segment, traits: traits)
    let alias = Self.aliases(segment)
    var call = 0
    while call < segment.calls.count {
      if let id = segment.calls[call].outputs[0], segment.calls[call].operation is Reshape, alias[id] != nil {
        works.append(FusedCalls(calls: call..<call + 1, work: Work([])))
        call += 1
        continue
      }
      let fused = try fusion.work(from: call)
      works.append(fused)
      call = fused.calls.upperBound
    }
    for (id, root) in alias { viewOfValue[id] = root }
    planMemory(alias, traits)
  }

  /// Reshapes that share the memory of what they reshape: temporaries, of temporaries or of inputs, which nobody
  /// writes within the segment.
  private static func aliases(_ segment: Segment) -> [Int: Int] {
    var alias: [Int: Int] = [:]
    for call in segment.calls where call.operation is Reshape {
      guard let result = call.outputs[0], segment.values[result].role == .temporary else { continue }
      let root = alias[call.inputs[0]] ?? call.inputs[0]
      guard segment.values[root].role == .temporary || segment.values[root].role == .input else { continue }
      alias[result] = root
    }
    return alias
  }

  private mutating func planMemory(_ alias: [Int: Int], _ traits: DeviceTraits) {
    var blocks: [MemoryPlan.Block] = []
    func root(_ id: Int) -> Int { alias[id] ?? id }
    for (number, fused) in works.enumerated() {
      // A work may write its result while it still reads its operands: both live through all of it.
      for call in segment.calls[fused.calls] {
        for id in call.inputs { if let block = blockOfValue[root(id)] { blocks[block].death = number } }
      }
      guard let last = fused.calls.last else { continue }
      for call in fused.calls {
        for case let id? in segment.calls[call].outputs
        where root(id) == id && segment.values[id].role == .temporary {
          // What is fused away is never read; it gets no memory. Reads come from the last call's results only.
          guard call == last else { continue }
          blockOfValue[id] = blocks.count
          blockSizes.append(segment.values[id].type.byteCount)
          blocks.append(MemoryPlan.Block(byteCount: blockSizes.last!, birth: number, death: number))
        }
      }
      scratchBlocks.append(blocks.count)
      for bytes in fused.work.scratch {
        blockSizes.append(bytes)
        blocks.append(MemoryPlan.Block(byteCount: bytes, birth: number, death: number))
      }
    }
    memory = MemoryPlan(blocks, alignment: traits.alignment, limit: traits.maxAllocation)
    for (id, root) in alias { blockOfValue[id] = blockOfValue[root] }
  }

  // MARK: Reporting

  var groupOfCall: [Int] {
    works.enumerated().flatMap { number, fused in fused.calls.map { _ in number } }
  }

  /// `conv2d + add + relu`.
  var groupNames: [String] {
    works.map { fused in
      segment.calls[fused.calls].map(\.name).joined(separator: " + ")
    }
  }

  func fingerprint(_ traits: DeviceTraits) -> UInt64 {
    var fingerprint = Fingerprint()
    fingerprint.mix("\(traits.name) \(traits.driver) \(traits.deviceClass.rawValue)")
    for launch in works.flatMap(\.work.launches) {
      fingerprint.mix("\(launch.kernel.function) \(launch.kernel.options) \(launch.global) \(launch.local)")
    }
    return fingerprint.value
  }
}
