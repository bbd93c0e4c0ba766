import SwitchbackBackendKit
import SwitchbackPrograms

/// The works of a segment in the order that they run in, and where their temporaries lie.
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
    let alias = Self.aliases(segment)
    let views = segment.calls.indices.filter { call in
      segment.calls[call].operation is Reshape && segment.calls[call].outputs[0].map { alias[$0] != nil } ?? false
    }
    works = try Fusion(segment, traits: traits).works(free: Set(views))
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
      for call in fused.calls {
        for id in segment.calls[call].inputs { if let block = blockOfValue[root(id)] { blocks[block].death = number } }
      }
      for call in fused.calls {
        for case let id? in segment.calls[call].outputs
        where root(id) == id && segment.values[id].role == .temporary && !fused.elided.contains(id) {
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
    var groups = segment.calls.map { _ in 0 }
    for (number, fused) in works.enumerated() { for call in fused.calls { groups[call] = number } }
    return groups
  }

  /// `conv2d + add + relu`.
  var groupNames: [String] {
    works.map { fused in fused.calls.map { segment.calls[$0].name }.joined(separator: " + ") }
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
