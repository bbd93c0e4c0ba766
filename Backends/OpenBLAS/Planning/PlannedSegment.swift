import SwitchbackBackendKit
import SwitchbackPrograms

/// Everything that is decided about a segment before memory is laid out for its runs. It knows nothing of workers.
struct PlannedSegment {
  var works: Works
  let samples: Int
  let stages: Stages
  /// One entry a lane of each stage.
  let chunks: [[Chunks]]
  let places: Places
  /// How many partial sums lie in a value that is partial sums.
  private(set) var chunkCountOfSums: [Int: Int] = [:]
  /// Bytes of scratch memory that every worker needs.
  private(set) var scratchByteCount = 0
  /// Groups are works; the last one is what waits and adds.
  private(set) var groupOfWork: [Int] = []
  private(set) var groupOfCall: [Int]
  private(set) var groupNames: [String] = []

  init(_ segment: Segment, library: OpenBLASLibrary) throws(BackendError) {
    self.init(segment, try Fusion(segment, library: library).works())
  }

  init(_ segment: Segment, _ made: Works) {
    var works = made
    samples = Division(segment, &works).samples
    works.splitPackings(segment, samples: samples)
    works.splitSums()
    works.splitChecks()
    let stages = Stages(segment, works, samples: samples)
    let isTemporary = works.isTemporary(in: segment)
    let chunks = stages.stages.map { lanes in lanes.map { Chunks($0, works, isTemporary: isTemporary) } }
    (self.works, self.stages, self.chunks) = (works, stages, chunks)
    places = Places(segment, works, stages, chunks)
    var names = [String](repeating: "", count: works.works.count)
    for (lanes, cuts) in zip(stages.stages, chunks) {
      for (lane, cut) in zip(lanes, cuts) {
        for index in lane.works {
          let work = works.works[index]
          let rows = work.rows / max(lane.units, 1) * min(cut.block, max(lane.units, 1))
          scratchByteCount = max(scratchByteCount, (work.scratch(rows) + 63) / 64 * 64)
          for case let sums? in work.results.map(\.sums) { chunkCountOfSums[sums] = cut.count }
          names[index] = work.explanation(lane, cut)
        }
      }
    }
    groupOfCall = Array(repeating: 0, count: segment.calls.count)
    for (index, work) in works.works.enumerated() {
      if index > 0, !work.calls.isEmpty, works.works[index - 1].calls == work.calls {
        // Another part of the same call.
        groupOfWork.append(groupNames.count - 1)
        continue
      }
      // The time of packing is that of whoever reads what is packed first: the next work.
      groupOfWork.append(work.calls.isEmpty && !work.isPacking ? -1 : groupNames.count)
      guard !work.calls.isEmpty else { continue }
      for call in work.calls { groupOfCall[call] = groupNames.count }
      let calls = work.calls.map { segment.calls[$0].operation.name }.joined(separator: " + ")
      groupNames.append(names[index].isEmpty ? calls : "\(calls) · \(names[index])")
    }
    for index in groupOfWork.indices where groupOfWork[index] < 0 { groupOfWork[index] = groupNames.count }
    let barriers = stages.stages.count - 1
    let words = barriers > 0 ? " at \(barriers) barrier\(barriers == 1 ? "" : "s")" : ""
    groupNames.append("adding sums, waiting\(words)")
  }
}

extension Work {
  /// Its kernel and how it is divided, in words: `direct, 16 chunks of 4 samples, 16 sums`; empty where there is nothing to
  /// tell.
  func explanation(_ lane: Stages.Lane, _ chunks: Chunks) -> String {
    (notes + [division(lane, chunks)].compactMap { $0 }).joined(separator: ", ")
  }

  private func division(_ lane: Stages.Lane, _ chunks: Chunks) -> String? {
    guard chunks.count > 1, check == nil else { return nil }
    var words: String
    let rows = chunks.chunk * (self.rows / max(lane.units, 1))
    if let grid {
      words = "\(grid.count) tiles of \(grid.height)×\(grid.width)"
    } else if lane.kind == .samples {
      words = "\(chunks.count) chunks of \(chunks.chunk) samples"
      if rows != chunks.chunk { words += " (\(rows) rows)" }
    } else {
      words = "\(chunks.count) chunks of \(rows) rows"
    }
    for case .sum in results.map(\.form) { words += ", \(chunks.count) sums" }
    return words
  }
}
