import SwitchbackBackendKit
import SwitchbackPrograms

/// Calls of a segment that are computed at once, as a whole or as a forward and a backward half.
struct FusedCalls {
  /// In the order of `works`. Their calls need not be neighbours.
  var halves: [MatchedHalf]
  /// The works of each half: one, or several that wait for each other. Values that stand in no program (the winners of a
  /// pooling) are added to the works.
  var makeWorks: (inout Works) throws -> [[Work]]
}

/// Calls that our kernels compute at once. A pattern has a file of its own in this folder, with its graph drawn above it.
protocol FusionPattern: Sendable {
  /// What begins with call `first`; nil where that is not this pattern.
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls?
}

/// Turns a segment's calls into works: patterns first, the rest call by call.
struct Fusion {
  /// Asked in this order.
  static let patterns: [any FusionPattern.Type] = [
    ConvolutionPooling.self, ConvolutionActivation.self, NormalizedBatch.self, NormalizedRows.self, ScaledBytes.self,
    DenseActivation.self,
    DenseGate.self, SoftmaxLoss.self, MovingAverage.self, GuardedAssignment.self,
  ]

  let segment: Segment
  let library: OpenBLASLibrary
  let uses: ValueUses
  /// What each call is by itself.
  private let single: [Result<Work, Declined>]

  init(_ segment: Segment, library: OpenBLASLibrary) {
    (self.segment, self.library) = (segment, library)
    uses = ValueUses(segment)
    single = segment.calls.indices.map { WorkMaker(segment: segment, index: $0, library: library).make() }
  }

  func maker(_ call: Int) -> WorkMaker { WorkMaker(segment: segment, index: call, library: library) }

  /// Whether this backend computes a call; if not, no pattern may.
  func computes(_ call: Int) -> Bool {
    if case .success = single[call] { true } else { false }
  }

  /// What calls take together if each operand and result of the whole moves once.
  func cost(of calls: [Int], reading: [Int], writing: [Int]) -> Cost {
    let flops = calls.reduce(0) {
      $0 + segment.calls[$1].operation.cost(for: segment.inputTypes(segment.calls[$1])).flops
    }
    return Cost(flops: flops, bytes: (reading + writing).reduce(0) { $0 + segment.values[$1].type.byteCount })
  }

  /// The works in an order in which they can run.
  func works() throws(BackendError) -> Works {
    var works = Works(segment)
    var groups = CallGroups(segment)
    // By the first call of each.
    var fused: [Int: [Work]] = [:]
    for call in segment.calls.indices {
      for pattern in Self.patterns {
        guard let match = pattern.match(call, in: self), groups.join(match.halves.map(\.calls)) else { continue }
        let made = try accept(call) { try match.makeWorks(&works) }
        for (half, works) in zip(match.halves, made) { fused[half.calls.min() ?? call] = works }
        break
      }
    }
    for group in groups.order {
      if let made = fused[group[0]] {
        works.works += made
      } else {
        works.works.append(try accept(group[0]) { try single[group[0]].get() })
      }
    }
    return works
  }

  private func accept<Made>(_ call: Int, _ make: () throws -> Made) throws(BackendError) -> Made {
    do {
      return try make()
    } catch {
      throw BackendError(.unsupported, (error as? Declined)?.reason ?? "\(error)", operation: call)
    }
  }
}
