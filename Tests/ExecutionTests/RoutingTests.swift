import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import Testing

/// A row of as many gates, each in a layer of its own: `layers.0`, `layers.1`, …
private func row(_ count: Int) throws -> Program {
  var builder = ProgramBuilder(name: "row")
  var value = builder.input("x", .float32([8]))
  for index in 0..<count {
    builder.path = "layers.\(index)"
    value = try builder.append(Unary(.tanh), value)
  }
  builder.output("y", value)
  return builder.build()
}

private func chain(_ backends: [ModelBackend], workers: Int = 1) throws -> BackendChain {
  let host = try HostServices(workers: workers)
  return BackendChain(
    try backends.map {
      .init(
        name: $0.identity.name, device: try $0.open(device: 0, options: [:], host: host), version: $0.identity.version)
    }, host: host)
}

private func search(
  _ program: Program, _ backends: [ModelBackend], candidates: Int? = nil,
  verify: @escaping (Int, Int) -> String? = { _, _ in nil }
) throws -> Routing {
  let clock = backends[0].clock
  return try RouteSearch(
    program, on: try chain(backends), candidates: candidates ?? backends.count, budget: 1e6,
    clock: { clock.seconds }, prepare: { _ in }, verify: verify
  ).run()
}

/// The backend of each layer.
private func names(_ program: Program, _ routing: Routing, _ backends: [ModelBackend]) throws -> [String] {
  let routed = try chain(backends).routed(by: routing)
  let plan = try ProgramExecutor(program, on: routed, states: StateStore()).plan
  return plan.placements.map { plan.backends[$0.link] }
}

/// What the program takes with a backend for each layer, by the models.
private func seconds(_ program: Program, _ path: [Int], _ backends: [ModelBackend]) -> Double {
  var total = 0.0
  var start = 0
  for end in 1...path.count where end == path.count || path[end] != path[start] {
    total += backends[path[start]].seconds(of: Array(program.calls[start..<end]))
    start = end
  }
  return total
}

private func layer(_ path: String) -> Int { Int(path.dropFirst("layers.".count)) ?? 0 }

@Suite struct RoutingTests {
  @Test("a backend that is faster on some layers gets those and no others")
  func mixed() throws {
    let clock = ModelClock()
    let wide = ModelBackend("wide", clock) { layer($0) % 3 == 1 ? 9 : 1 }
    let deep = ModelBackend("deep", clock) { layer($0) % 3 == 1 ? 2 : 5 }
    let program = try row(9)
    let routing = try search(program, [wide, deep])
    let expected = (0..<9).map { $0 % 3 == 1 ? "deep" : "wide" }
    #expect(try names(program, routing, [wide, deep]) == expected)
    #expect(routing.verdict.hasPrefix("wide with deep for layers.1/tanh and 2 more"))
    let times = try #require(routing.comparisons.first { $0.operations == ["layers.1/tanh"] })
    #expect(times.microseconds == ["wide": 9e6, "deep": 2e6])
    #expect(routing.trials.first { $0.words == "wide" }?.microseconds == 33e6)
  }

  @Test(
    "a gain that the cuts, the lost fusion or the copies eat up is not taken", arguments: ["cut", "fusion", "copy"])
  func cutsCost(what: String) throws {
    let clock = ModelClock()
    // Alone the layer would gain 1.
    let wide = ModelBackend("wide", clock, overhead: what == "cut" ? 1 : 0, fusion: what == "fusion" ? 1 : 0) { _ in 5 }
    let narrow = ModelBackend("narrow", clock, copySeconds: what == "copy" ? 1 : nil) { layer($0) == 2 ? 4 : nil }
    let program = try row(5)
    let routing = try search(program, [wide, narrow])
    #expect(try names(program, routing, [wide, narrow]) == Array(repeating: "wide", count: 5))
    #expect(routing.trials.contains { $0.words.contains("narrow") })
  }

  @Test("two layers in a row are worth the cuts that one is not")
  func runOfLayers() throws {
    let clock = ModelClock()
    let wide = ModelBackend("wide", clock, overhead: 2) { _ in 5 }
    let narrow = ModelBackend("narrow", clock, overhead: 2) { [2, 3, 6].contains(layer($0)) ? 2 : 30 }
    let program = try row(9)
    let routing = try search(program, [wide, narrow])
    // Layer 6 gains 3, and its two cuts cost 4; layers 2 and 3 gain 6.
    let expected = (0..<9).map { [2, 3].contains($0) ? "narrow" : "wide" }
    #expect(try names(program, routing, [wide, narrow]) == expected)
  }

  @Test("ties go to the earlier backend, of the whole program and of a layer")
  func ties() throws {
    let clock = ModelClock()
    let first = ModelBackend("first", clock) { _ in 5 }
    let second = ModelBackend("second", clock) { _ in 5 }
    let third = ModelBackend("third", clock) { layer($0) == 1 ? 4.99 : 5 }
    let program = try row(4)
    let routing = try search(program, [first, second, third])
    #expect(try names(program, routing, [first, second, third]) == Array(repeating: "first", count: 4))
  }

  @Test("what is wrong is never timed nor chosen, and the reason is kept")
  func wrong() throws {
    let clock = ModelClock()
    let right = ModelBackend("right", clock) { _ in 5 }
    let wrong = ModelBackend("wrong", clock) { layer($0) == 2 ? 1 : nil }
    let program = try row(4)
    let routing = try search(program, [right, wrong]) { call, link in
      link == 1 && call == 2 ? "2.5 bounds off" : nil
    }
    #expect(try names(program, routing, [right, wrong]) == Array(repeating: "right", count: 4))
    #expect(wrong.runs.withLock { $0 } == 0)
    #expect(routing.refusals == [.init(operation: "layers.2/tanh", backend: "wrong", reason: "2.5 bounds off")])
  }

  @Test("what only a fallback takes goes there; what nobody runs rightly is an error by name")
  func fallback() throws {
    let clock = ModelClock()
    let fast = ModelBackend("fast", clock) { layer($0) == 1 ? nil : 1 }
    let other = ModelBackend("other", clock) { layer($0) == 1 ? nil : 3 }
    let fallback = ModelBackend("fallback", clock) { _ in 0.1 }
    let program = try row(3)
    let routing = try search(program, [fast, other, fallback], candidates: 2)
    #expect(try names(program, routing, [fast, other, fallback]) == ["fast", "fallback", "fast"])
    let error = #expect(throws: ExecutionError.self) { _ = try search(program, [fast, other]) }
    #expect(error?.label == "layers.1/tanh")
  }

  @Test("what a backend takes only with an operation that is not its own goes to another, or is an error by name")
  func bound() throws {
    let clock = ModelClock()
    let first = ModelBackend("first", clock) { layer($0) == 0 ? 1 : nil }
    let second = ModelBackend("second", clock, bound: "layers.1") { layer($0) == 1 ? 1 : nil }
    let fallback = ModelBackend("fallback", clock) { _ in 3 }
    let program = try row(2)
    let routing = try search(program, [first, second, fallback], candidates: 2)
    #expect(try names(program, routing, [first, second, fallback]) == ["first", "fallback"])
    let error = #expect(throws: ExecutionError.self) { _ = try search(program, [first, second]) }
    #expect(error?.label == "layers.1/tanh")
    let both = ModelBackend("both", clock, bound: "layers.1") { _ in 2 }
    #expect(try names(program, search(program, [first, both]), [first, both]) == ["both", "both"])
  }

  /// Deterministic numbers in 0 ..< 1.
  private func random(_ seed: Int, _ stream: Int, _ index: Int) -> Double {
    Philox.uniform(Philox(seed: Int64(seed)).bits(block: index, stream: stream, step: 0)[0])
  }

  @Test("on random models the choice is never slower than the best single backend, and close to the best of all paths")
  func randomModels() throws {
    var mixed = 0
    for seed in 0..<60 {
      let clock = ModelClock()
      let count = 3 + seed % 4
      let backends = (0..<2 + seed % 2).map { backend in
        let numbers = (0..<count).map { random(seed, backend, $0) }
        let base = backend == 0
        return ModelBackend(
          "b\(backend)", clock, overhead: 0.3 * random(seed, 10, backend), fusion: 0.2 * random(seed, 11, backend)
        ) { path in
          let number = numbers[layer(path)]
          return !base && number > 0.8 ? nil : 0.25 + 2 * number
        }
      }
      let program = try row(count)
      let routing = try search(program, backends)
      let chosen = try names(program, routing, backends).map { name in backends.firstIndex { $0.identity.name == name }!
      }
      func allows(_ path: [Int]) -> Bool {
        zip(path, program.calls).allSatisfy { backends[$0].seconds($1.path) != nil }
      }
      var best = Double.infinity
      var path = [Int](repeating: 0, count: count)
      for number in 0..<Int(pow(backends.count, count)) {
        var rest = number
        for index in 0..<count { (path[index], rest) = (rest % backends.count, rest / backends.count) }
        if allows(path) { best = min(best, seconds(program, path, backends)) }
      }
      let single = backends.indices.map { link in
        (0..<count).map { backends[link].seconds(program.calls[$0].path) == nil ? (link == 0 ? 1 : 0) : link }
      }.filter(allows).map { seconds(program, $0, backends) }.min()!
      let found = seconds(program, chosen, backends)
      #expect(found <= single * (1 + 1e-9), "seed \(seed)")
      #expect(found <= best * 1.05, "seed \(seed): \(found) of \(best), single \(single)")
      if Set(chosen).count > 1 { mixed += 1 }
    }
    #expect(mixed > 10)
  }

  @Test("where times jump about by a fifth the choice is still never slower than the best single backend by 3 %")
  func noise() throws {
    for seed in 0..<40 {
      let clock = ModelClock(jitter: 0.2)
      let backends = (0..<2).map { backend in
        ModelBackend("b\(backend)", clock, overhead: 0.1) { path in
          // Within a twentieth of each other: hardly anything but noise to choose by.
          1 + 0.05 * self.random(seed, backend, layer(path))
        }
      }
      let program = try row(5)
      let routing = try search(program, backends)
      let chosen = try names(program, routing, backends).map { name in backends.firstIndex { $0.identity.name == name }!
      }
      let single = (0..<2).map { seconds(program, Array(repeating: $0, count: 5), backends) }.min()!
      #expect(seconds(program, chosen, backends) <= 1.03 * single, "seed \(seed): \(chosen)")
    }
  }

  private func pow(_ base: Int, _ exponent: Int) -> Int { (0..<exponent).reduce(1) { value, _ in value * base } }

  @Test("replaying measures nothing, places alike, and gives the same fingerprint")
  func replay() throws {
    let clock = ModelClock()
    let wide = ModelBackend("wide", clock) { layer($0) == 1 ? 9 : 1 }
    let deep = ModelBackend("deep", clock) { layer($0) == 1 ? 2 : 5 }
    let program = try row(3)
    let routing = try search(program, [wide, deep])
    let time = clock.seconds
    let plans = try (0..<2).map { _ in
      try ProgramExecutor(program, on: try chain([wide, deep]).routed(by: routing), states: StateStore()).plan
    }
    #expect(clock.seconds == time)
    #expect(plans[0].fingerprint == plans[1].fingerprint)
    #expect(plans[0].placements.map(\.link) == [0, 1, 0])
    let unrouted = try ProgramExecutor(program, on: try chain([wide, deep]), states: StateStore()).plan
    #expect(unrouted.fingerprint != plans[0].fingerprint)
  }

  @Test("a routing of other backends, versions or workers is not replayed, and says why")
  func obstacles() throws {
    let clock = ModelClock()
    let wide = ModelBackend("wide", clock) { layer($0) == 1 ? 9 : 1 }
    let deep = ModelBackend("deep", clock) { layer($0) == 1 ? 2 : 5 }
    let newer = ModelBackend("deep", clock, version: "2") { layer($0) == 1 ? 2 : 5 }
    let routing = try search(try row(3), [wide, deep])
    func reason(_ backends: [ModelBackend], workers: Int = 1) throws -> String {
      let chain = try chain(backends, workers: workers)
      let error = #expect(throws: ExecutionError.self) { _ = try chain.routed(by: routing) }
      return error?.message ?? ""
    }
    #expect(try reason([wide]).contains("deep is not in the chain here"))
    #expect(try reason([wide, newer]).contains("deep was version 1 on deep; here it is version 2"))
    #expect(try reason([wide, deep], workers: 2).contains("1 workers; here are 2"))
  }

  @Test("other programs over the same layers are placed alike, and what they have besides goes by the order")
  func otherPrograms() throws {
    let clock = ModelClock()
    let wide = ModelBackend("wide", clock) { layer($0) == 1 ? 9 : 1 }
    let deep = ModelBackend("deep", clock) { layer($0) == 1 ? 2 : 5 }
    let routing = try search(try row(3), [wide, deep])
    #expect(try names(try row(5), routing, [wide, deep]) == ["wide", "deep", "wide", "wide", "wide"])
  }

  @Test("with one backend, or where no two take the same, nothing is measured")
  func nothingToChoose() throws {
    let clock = ModelClock()
    let only = ModelBackend("only", clock) { _ in 1 }
    let routing = try search(try row(3), [only])
    #expect(clock.seconds == 0)
    #expect(routing.trials.isEmpty)
    #expect(try names(try row(3), routing, [only]) == ["only", "only", "only"])
  }
}
