import SwitchbackPrograms

/// The measurements of a `RouteSearch`, and what they decide.
struct RouteRace {
  private let search: RouteSearch
  private let atoms: RouteAtoms
  private let deadline: Double
  private var times: RouteTimes
  /// Whole programs that ran, first those of single candidates.
  private var trials: [(path: [Int], total: Double)] = []
  /// Atoms of which a candidate's time is its own, not a share of a group.
  private var known: [Int: Set<Int>] = [:]

  private static let mostProposals = 16
  private static let estimateError = 1.1
  /// At least and at most so many runs of one route; between them a share of the time decides.
  private static let runs = 3...100

  init(_ search: RouteSearch, _ atoms: RouteAtoms, deadline: Double) {
    (self.search, self.atoms, self.deadline) = (search, atoms, deadline)
    times = RouteTimes(atomCount: atoms.ranges.count)
  }

  private var names: [String] { search.chain.links.map(\.name) }
  private var hasTime: Bool { search.clock() < deadline }

  mutating func run() throws -> Routing {
    let paths = singlePaths()
    guard paths.count > 1 else {
      if let (link, path) = paths.first {
        return routing(path, base: link, verdict: "\(names[link]) is the only choice")
      }
      let path = atoms.allowed.map { $0[0] }
      return routing(path, base: path.first ?? 0, verdict: "no candidate takes any of it")
    }
    let (base, baseline) = try bestSingle(paths)
    var best = baseline
    // Half of what is left is kept for the last comparison.
    let proposalsEnd = search.clock() + (deadline - search.clock()) / 2
    func attempt(_ path: [Int]) {
      guard let measured = try? measure(path, base: base) else {
        // What cannot be compiled or run at all is not proposed again.
        trials.append((path, .infinity))
        return
      }
      if measured.total < best.total { best = measured }
    }
    for _ in 0..<Self.mostProposals where search.clock() < proposalsEnd {
      guard let path = proposal(betterThan: best.total) else { break }
      attempt(path)
    }
    // What a segment costs may depend on others: the passes of a convolution share spectra. So the search ends by moving
    // all passes of a layer together.
    while search.clock() < proposalsEnd, let path = layerChange(of: best) { attempt(path) }
    guard best !== baseline else {
      return routing(baseline.path, base: base, verdict: "\(names[base]) is the fastest, alone")
    }
    let (ratio, noise) = try compare(best, with: baseline)
    let gain = "\(Self.percent(1 - ratio)) less time than \(names[base]), noise \(Self.percent(noise))"
    guard ratio < 1 - max(RouteSearch.tie, 2 * noise) else {
      return routing(
        baseline.path, base: base,
        verdict: "\(names[base]); \(words(best.path, base: base)) was not faster beyond noise (\(gain))")
    }
    return routing(best.path, base: base, verdict: "\(words(best.path, base: base)): \(gain)")
  }

  // MARK: Single backends

  /// For each candidate that takes anything: itself wherever it may, then the others in order.
  private func singlePaths() -> [(link: Int, path: [Int])] {
    var paths: [(link: Int, path: [Int])] = []
    for link in 0..<search.candidates where atoms.allowed.contains(where: { $0.contains(link) }) {
      let path = atoms.allowed.map { $0.contains(link) ? link : $0[0] }
      if !paths.contains(where: { $0.path == path }) { paths.append((link, path)) }
    }
    return paths
  }

  /// Runs all in turns; a later one must be better by more than a tie.
  private mutating func bestSingle(_ paths: [(link: Int, path: [Int])]) throws -> (link: Int, route: MeasuredRoute) {
    var routes: [(link: Int, route: MeasuredRoute)] = []
    for (link, path) in paths {
      search.progress("auto: measuring \(names[link])")
      let route = try self.route(path, base: link)
      // The first run plans and fills caches; it counts only where there is no time for another.
      try route.run(clock: search.clock)
      if hasTime {
        route.forget()
        try route.run(clock: search.clock)
      }
      routes.append((link, route))
    }
    let fastest = routes.map(\.route.total).min() ?? 0
    let begin = search.clock()
    for round in 0..<Self.runs.upperBound where hasTime {
      guard round < Self.runs.lowerBound || search.clock() - begin < 0.1 * search.budget else { break }
      for (_, route) in routes where route.total <= 3 * fastest { try route.run(clock: search.clock) }
    }
    var best = routes[0]
    for (link, route) in routes {
      trials.append((route.path, route.total))
      route.record(in: &times)
      try measureUnits(of: link, route)
      if route.total < best.route.total * (1 - RouteSearch.tie) { best = (link, route) }
    }
    return best
  }

  private mutating func measureUnits(of link: Int, _ route: MeasuredRoute) throws {
    let profiled = try self.route(route.path, base: link, isProfiled: true)
    for _ in 0..<(hasTime ? 2 : 0) { try profiled.run(clock: search.clock) }
    known[link] = route.recordUnits(of: link, profiled: profiled, in: &times)
  }

  private func route(_ path: [Int], base: Int, isProfiled: Bool = false) throws -> MeasuredRoute {
    try MeasuredRoute(
      search.program, path: path, atoms: atoms, chain: search.chain, order: order(base), prepare: search.prepare,
      isProfiled: isProfiled)
  }

  /// A candidate, the other candidates, the fallbacks.
  private func order(_ base: Int) -> [String] { [names[base]] + names.indices.filter { $0 != base }.map { names[$0] } }

  // MARK: Proposals

  /// The cheapest path by what is known, if it is new and promises more than a tie.
  private func proposal(betterThan total: Double) -> [Int]? {
    let links = Array(search.chain.links.indices)
    let cuts = CutSearch(allowed: atoms.allowed.map(Set.init))
    func cost(_ link: Int, _ range: Range<Int>) -> Double {
      times.seconds(link: link, atoms: range) * (1 + RouteSearch.tie * Double(min(link, search.candidates)))
    }
    let path = cuts.best(links, cost: cost)
    guard !trials.contains(where: { $0.path == path }) else { return nil }
    return promise(path) < total * (1 - RouteSearch.tie) ? path : nil
  }

  /// What a path should take, by what is known of its segments.
  private func promise(_ path: [Int]) -> Double {
    var (sum, start) = (0.0, 0)
    for end in 1...path.count where end == path.count || path[end] != path[start] {
      sum += times.seconds(link: path[start], atoms: start..<end)
      start = end
    }
    return sum
  }

  /// Of the routes that differ from this one in all of one layer the one that promises most and was not measured yet;
  /// nil where none promises anything. Estimates may be a little off, so it need not be better.
  private func layerChange(of route: MeasuredRoute) -> [Int]? {
    var layers: [String: Set<Int>] = [:]
    for (atom, range) in atoms.ranges.enumerated() where atoms.allowed[atom].count > 1 && range.count == 1 {
      layers[search.program.calls[range.lowerBound].path, default: []].insert(atom)
    }
    let paths = layers.values.flatMap { layer in
      (0..<search.candidates).map { link in
        route.path.indices.map {
          layer.contains($0) && atoms.allowed[$0].contains(link) ? link : route.path[$0]
        }
      }
    }
    let promising = paths.filter { path in !trials.contains { $0.path == path } }.map {
      (path: $0, promise: promise($0))
    }
    .filter { $0.promise < route.total * Self.estimateError }
    return promising.min { ($0.promise, $0.path.description) < ($1.promise, $1.path.description) }?.path
  }

  private mutating func measure(_ path: [Int], base: Int) throws -> MeasuredRoute {
    search.progress("auto: measuring \(words(path, base: base))")
    let route = try self.route(path, base: base)
    try route.run(clock: search.clock)
    let begin = search.clock()
    for run in 0..<Self.runs.upperBound where hasTime {
      guard run < Self.runs.lowerBound || search.clock() - begin < 0.01 * search.budget else { break }
      if run == 0 { route.forget() }
      try route.run(clock: search.clock)
    }
    route.record(in: &times)
    trials.append((path, route.total))
    return route
  }

  // MARK: The last word

  /// The median of the times' ratio over runs in turns, and its standard error (from the median absolute deviation,
  /// as of a normal distribution).
  private func compare(_ route: MeasuredRoute, with baseline: MeasuredRoute) throws -> (ratio: Double, noise: Double) {
    search.progress("auto: comparing with the best single backend")
    var ratios: [Double] = []
    var (middle, noise) = (1.0, Double.infinity)
    for round in 0..<Self.runs.upperBound where round < 5 || hasTime && (round < 15 || noise > 0.002) {
      route.forget()
      baseline.forget()
      // Who goes first changes, so that neither always finds the other's caches.
      for one in round % 2 == 0 ? [baseline, route] : [route, baseline] { try one.run(clock: search.clock) }
      ratios.append(route.total / baseline.total)
      middle = median(ratios)
      let deviation = 1.4826 * median(ratios.map { abs($0 - middle) })
      noise = 1.2533 * deviation / Double(ratios.count).squareRoot()
    }
    return (middle, noise)
  }

  private func routing(_ path: [Int], base: Int, verdict: String) -> Routing {
    var routing = Routing.of(path, atoms, search.program, search.chain, order: order(base))
    routing.verdict = verdict
    routing.trials = trials.filter { $0.total < .infinity }.map {
      .init(words: words($0.path, base: base), microseconds: $0.total * 1e6)
    }
    let keys = Routing.keys(of: search.program)
    for (atom, range) in atoms.ranges.enumerated() where !trials.isEmpty && atoms.allowed[atom].count > 1 {
      let links = atoms.allowed[atom].filter { known[$0]?.contains(atom) ?? false }
      let pairs = links.map { (names[$0], times.seconds(link: $0, atoms: atom..<atom + 1) * 1e6) }
      guard pairs.count > 1 else { continue }
      routing.comparisons.append(
        .init(operations: range.map { keys[$0] }, microseconds: Dictionary(uniqueKeysWithValues: pairs)))
    }
    return routing
  }

  /// `openblas`, or `openblas with fft for layers.0.conv2d/conv2d and 3 more`.
  private func words(_ path: [Int], base: Int) -> String {
    let singles = singlePaths()
    if let single = singles.first(where: { $0.path == path }) { return names[single.link] }
    let keys = Routing.keys(of: search.program)
    let usual = singles.first { $0.link == base }?.path ?? path
    var others: [Int: [String]] = [:]
    for (atom, link) in path.enumerated() where link != usual[atom] {
      others[link, default: []] += atoms.ranges[atom].map { keys[$0] }
    }
    let parts = others.sorted { $0.key < $1.key }.map { link, keys in
      "\(names[link]) for \(keys[0])" + (keys.count > 1 ? " and \(keys.count - 1) more" : "")
    }
    return "\(names[base]) with " + parts.joined(separator: ", ")
  }

  private static func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}
