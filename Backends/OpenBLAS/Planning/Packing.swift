import SwitchbackBackendKit
import SwitchbackPrograms

extension Work {
  /// An operand that the work reads in a form of its kernel's: a filter as panels, or transformed. It finds it in
  /// `Frame.packed`.
  struct Packing {
    /// The operand, which is read whole.
    var value: Int
    /// What it is to whoever asks for an explanation.
    var what = "filter"
    /// Equal for equal contents made of one value.
    var format: UInt64
    var byteCount: Int
    /// How many parts are packed one without the other.
    var panels: Int
    var pack:
      (
        _ operand: UnsafePointer<Float>, _ packed: UnsafeMutablePointer<Float>, _ firstPanel: Int, _ panels: Int
      ) -> Void
  }
}

extension Works {
  /// Memory that the host keeps from run to run, and the value that it is here.
  struct Kept {
    var value: Int
    var keep: Keep
  }

  private struct PackedForm: Hashable {
    var value: Int
    var format: UInt64
    var byteCount: Int
  }

  /// Gives packing a work of its own: once a run, or once for all runs in which a state stays as it is. Equal forms of one
  /// value are shared. A filter that costs less than a barrier is packed at the head of each chunk.
  ///
  /// As in `Division` bytes decide: of the operand, whose packed form hangs on the instruction set.
  mutating func splitPackings(_ segment: Segment, samples: Int) {
    let replaced = Set(works.flatMap(\.results).map(\.value))
    var known: [PackedForm: Int] = [:]
    var split: [Work] = []
    for var work in works {
      if let packing = work.packing {
        let isState = packing.value < segment.values.count && segment.values[packing.value].role == .state
        let isLasting = isState && !replaced.contains(packing.value)
        let form = PackedForm(value: packing.value, format: packing.format, byteCount: packing.byteCount)
        if known[form] == nil, isLasting || isWorthABarrier(work, samples) {
          let value = addValue(byteCount: packing.byteCount)
          known[form] = value
          if isLasting {
            let keep = Keep(
              value: packing.value, format: packing.format, byteCount: packing.byteCount, isLasting: true)
            kept.append(Kept(value: value, keep: keep))
          }
          split.append(Self.packing(packing, to: value))
        }
        if let value = known[form] {
          work.readPacked(value, packing.what, isLasting: isLasting)
        } else {
          work.packInChunks()
        }
      }
      // What was packed is of what lay there before.
      let written = work.results.map(\.value)
      known = known.filter { !written.contains($0.key.value) }
      split.append(work)
    }
    works = split
  }

  /// Whether packing in each chunk would move more bytes.
  private func isWorthABarrier(_ work: Work, _ samples: Int) -> Bool {
    guard let packing = work.packing, work.isDivisible else { return false }
    let chunks = min(Division.supposedChunks, work.isBySamples ? samples : work.rows)
    return (chunks - 1) * byteCounts[packing.value] > Division.barrierBytes
  }

  /// The work whose rows are the panels.
  private static func packing(_ packing: Work.Packing, to value: Int) -> Work {
    Work(
      calls: [], operands: [.init(value: packing.value, access: .whole)], results: [.init(value: value, form: .tiles)],
      rows: packing.panels, isDivisible: true, isSource: true, isPacking: true
    ) { frame in
      packing.pack(frame.floats(packing.value), frame.floats(value), frame.firstRow, frame.rows)
    }
  }
}

extension Work {
  fileprivate mutating func readPacked(_ value: Int, _ what: String, isLasting: Bool) {
    // Its bytes are those of the operand, which is still there.
    operands.append(.init(value: value, access: .whole, isCounted: false))
    notes.append(isLasting ? "\(what) packed once" : "\(what) packed once a run")
    run = { [run] frame in
      var own = frame
      own.packed = UnsafePointer(frame.floats(value))
      run(own)
    }
  }

  fileprivate mutating func packInChunks() {
    guard let packing else { return }
    let byteCount = (packing.byteCount + 63) / 64 * 64
    scratch = { [scratch] rows in byteCount + scratch(rows) }
    run = { [run] frame in
      var own = frame
      let packed = frame.scratch.assumingMemoryBound(to: Float.self)
      packing.pack(frame.floats(packing.value), packed, 0, packing.panels)
      own.packed = UnsafePointer(packed)
      own.scratch += byteCount
      run(own)
    }
  }
}
