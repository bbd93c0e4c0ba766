import SwitchbackBackendKit

/// When each work of a segment runs, and what it shares chunks with.
///
/// Stages follow each other with a barrier between. A stage consists of lanes that do not depend on each other; a
/// lane is a list of works that each chunk of its units is taken through depth-first, so that what they hand to each
/// other stays in a worker's cache. Chunks of all lanes of a stage are taken as workers come.
///
/// Phases give the order. In odd phases lies one lane, whose units are the samples of the batch. Everything else lies in
/// even phases, level by level: ranges of elements (updates, checks, adding partial sums), tiles, what is not divided.
/// Neighbours that turn out not to depend on each other are one stage in the end.
struct Stages {
  struct Lane {
    var kind: Kind
    /// What is divided into chunks; each work has as many rows, or a multiple.
    var units: Int
    var works: [Int] = []
  }

  enum Kind: Hashable {
    /// The samples of the batch.
    case samples
    /// Rows of whatever it is.
    case rows
    /// Works too small to be divided, together in one chunk.
    case small
    /// One work in one chunk.
    case whole
  }

  /// The lanes of each stage.
  private(set) var stages: [[Lane]] = []

  /// Where a value is made or read.
  private struct Place {
    var moment: Moment
    var lane: Int
    /// As what it is at hand for whoever comes later in a chunk of that lane; all of it is where there is one chunk. nil:
    /// partial sums, which are added when the last chunk has ended.
    var access: Work.Access?
  }

  private struct Moment: Hashable, Comparable {
    var phase: Int
    var level = 0

    static func < (a: Self, b: Self) -> Bool { (a.phase, a.level) < (b.phase, b.level) }
  }

  private let works: Works
  private let samples: Int
  private var lanes: [(moment: Moment, lane: Lane)] = []
  /// A lane that became part of another one.
  private var merged: [Int] = []
  /// Several of a flag.
  private var made: [[Place]]
  /// Who reads what comes from outside: a state is replaced only after everybody before has read it.
  private var reads: [[Place]]
  private var access: [Int: [Int: Work.Access]] = [:]
  private var lastFault = Moment(phase: -1)

  /// `samples`: how many the batch has.
  init(_ segment: Segment, _ works: Works, samples: Int) {
    (self.works, self.samples) = (works, samples)
    made = Array(repeating: [], count: works.byteCounts.count)
    reads = made
    let isState = works.byteCounts.indices.map { $0 < segment.values.count && segment.values[$0].role == .state }
    for (index, work) in works.works.enumerated() {
      let lane = work.isBySamples ? placeBySamples(work) : placeElsewhere(work, isState)
      lanes[lane].lane.works.append(index)
      let moment = lanes[lane].moment
      for operand in work.operands {
        access[lane, default: [:]][operand.value] = operand.access
        if isState[operand.value] {
          reads[operand.value].append(Place(moment: moment, lane: lane, access: operand.access))
        }
      }
      for result in work.results {
        let place = Place(moment: moment, lane: lane, access: result.form.access)
        switch result.form {
        case .rows:
          access[lane, default: [:]][result.value] = .rows
          made[result.value] = [place]
        case .tiles, .sum: made[result.made] = [place]
        case .flag: made[result.value].append(place)
        }
      }
      if work.bound != nil { lastFault = max(lastFault, moment) }
    }
    let used = lanes.indices.filter { merged[$0] == $0 && !lanes[$0].lane.works.isEmpty }
    for moment in Set(used.map { lanes[$0].moment }).sorted() {
      stages.append(used.filter { lanes[$0].moment == moment }.map { lanes[$0].lane })
    }
    for stage in stages.indices {
      for lane in stages[stage].indices { stages[stage][lane].works.sort() }
    }
    joinNeighbours(isState)
  }

  /// Spares the barrier before a stage that reads nothing of what the one before makes, and replaces nothing that it reads
  /// or replaces: a gradient made of tiles, say, beside the sums of samples that follow.
  private mutating func joinNeighbours(_ isState: [Bool]) {
    var joined: [[Lane]] = []
    var (made, touched, finds) = (Set<Int>(), Set<Int>(), false)
    for stage in stages {
      let own = stage.flatMap(\.works).map { works.works[$0] }
      let read = Set(own.flatMap(\.operands).map(\.value))
      let replaced = Set(own.flatMap(\.results).map(\.value).filter { isState[$0] })
      // A wrong index is found in a stage before.
      if !joined.isEmpty, made.isDisjoint(with: read), touched.isDisjoint(with: replaced), !finds || replaced.isEmpty {
        joined[joined.count - 1] += stage
      } else {
        joined.append(stage)
        (made, touched, finds) = ([], [], false)
      }
      made.formUnion(own.flatMap(\.results).map(\.made))
      touched.formUnion(read.union(replaced))
      finds = finds || own.contains { $0.bound != nil }
    }
    stages = joined
  }

  private func root(_ lane: Int) -> Int {
    var lane = lane
    while merged[lane] != lane { lane = merged[lane] }
    return lane
  }

  private mutating func addLane(_ kind: Kind, units: Int, at moment: Moment) -> Int {
    merged.append(lanes.count)
    lanes.append((moment, Lane(kind: kind, units: units)))
    return lanes.count - 1
  }

  /// Whether a lane's table of addresses has room for a work: it holds one address a value.
  private func fits(_ work: Work, in lane: Int) -> Bool {
    // In one chunk the rows of a value begin where it does.
    guard lanes[lane].lane.kind != .small, let own = access[lane] else { return true }
    return work.operands.allSatisfy { own[$0.value, default: $0.access] == $0.access }
      && work.results.allSatisfy { own[$0.value, default: .rows] == .rows }
  }

  // MARK: The samples of the batch

  private mutating func placeBySamples(_ work: Work) -> Int {
    var phase = 1
    for operand in work.operands {
      for place in made[operand.value] {
        let isOdd = place.moment.phase % 2 == 1
        let isAtHand = operand.access == .rows && place.access == .rows
        phase = max(phase, place.moment.phase + (isOdd ? isAtHand ? 0 : 2 : 1))
      }
    }
    while true {
      let moment = Moment(phase: phase)
      guard let lane = lanes.firstIndex(where: { $0.moment == moment }) else {
        return addLane(.samples, units: samples, at: moment)
      }
      if fits(work, in: lane) { return lane }
      phase += 2
    }
  }

  // MARK: All else

  /// Bytes below which a work shares a chunk with others.
  static let smallByteCount = 16 << 10

  private mutating func placeElsewhere(_ work: Work, _ isState: [Bool]) -> Int {
    // What must be over, or lie before in the same lane.
    var needs: [(place: Place, access: Work.Access)] = work.operands.flatMap { operand in
      made[operand.value].map { ($0, operand.access) }
    }
    for result in work.results where isState[result.value] {
      var access = Work.Access.whole
      if case .rows = result.form { access = .rows }
      needs += (reads[result.value] + made[result.value]).map { ($0, access) }
    }
    // A wrong index must change no state, so it is found before.
    let replaces = work.results.contains { isState[$0.value] }
    var moment = Moment(phase: 0)
    if replaces, lastFault.phase >= 0 { moment = after(lastFault) }
    for need in needs {
      let place = need.place.moment
      moment = max(moment, place.phase % 2 == 1 ? Moment(phase: place.phase + 1) : place)
    }
    let blocking = needs.filter { $0.place.moment == moment }
    let isSmall = byteCount(work) <= Self.smallByteCount
    if let lane = joined(work, blocking, isSmall) { return lane }
    if !blocking.isEmpty { moment.level += 1 }
    if isSmall {
      if let lane = lanes.firstIndex(where: { $0.moment == moment && $0.lane.kind == .small }), fits(work, in: lane) {
        return lane
      }
      return addLane(.small, units: 1, at: moment)
    }
    return work.isDivisible ? addLane(.rows, units: work.rows, at: moment) : addLane(.whole, units: 1, at: moment)
  }

  private func after(_ moment: Moment) -> Moment {
    moment.phase % 2 == 1 ? Moment(phase: moment.phase + 1) : Moment(phase: moment.phase, level: moment.level + 1)
  }

  private func byteCount(_ work: Work) -> Int {
    work.operands.reduce(0) { $0 + works.byteCounts[$1.value] }
      + work.results.reduce(0) { $0 + ($1.isBeside ? 0 : works.byteCounts[$1.value]) }
  }

  /// The lane in which all that a work must wait for stands before it; nil where there is none.
  private mutating func joined(
    _ work: Work, _ blocking: [(place: Place, access: Work.Access)], _ isSmall: Bool
  ) -> Int? {
    guard let first = blocking.first.map({ root($0.place.lane) }) else { return nil }
    let lane = lanes[first].lane
    switch lane.kind {
    case .small:
      // One chunk: whatever stands before is complete, but for sums.
      guard isSmall, blocking.allSatisfy({ root($0.place.lane) == first && $0.place.access != nil }) else { return nil }
      return fits(work, in: first) ? first : nil
    case .rows:
      guard work.isDivisible, work.rows > 0, lane.units > 0, work.rows % lane.units == 0 else { return nil }
      let roots = Set(blocking.map { root($0.place.lane) })
      guard
        blocking.allSatisfy({ $0.access == $0.place.access && $0.access != .whole }),
        roots.allSatisfy({ lanes[$0].lane.kind == .rows && lanes[$0].lane.units == lane.units }),
        roots.allSatisfy({ fits(work, in: $0) })
      else { return nil }
      for other in roots where other != first {
        guard agree(first, other) else { return nil }
        merge(other, into: first)
      }
      return first
    case .samples, .whole: return nil
    }
  }

  private func agree(_ a: Int, _ b: Int) -> Bool {
    guard let own = access[a], let other = access[b] else { return true }
    return other.allSatisfy { own[$0.key, default: $0.value] == $0.value }
  }

  private mutating func merge(_ other: Int, into lane: Int) {
    lanes[lane].lane.works += lanes[other].lane.works
    lanes[other].lane.works = []
    merged[other] = lane
    access[lane, default: [:]].merge(access[other] ?? [:]) { own, _ in own }
  }
}

extension Work.Form {
  /// How a result is at hand within a chunk that made its part of it; nil: not at all, since sums are added later.
  fileprivate var access: Work.Access? {
    switch self {
    case .rows: .rows
    case .tiles: .tiles
    case .flag(let isOfSum): isOfSum ? nil : .whole
    case .sum: nil
    }
  }
}
