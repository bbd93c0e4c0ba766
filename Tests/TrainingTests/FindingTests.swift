import Foundation
import SwitchbackMonitoring
import Testing

private func statistics(_ norm: Double, zeros: Double = 0, nans: Double = 0) -> TensorStatistics {
  TensorStatistics(count: 100, l2: norm, zeros: zeros, nans: nans)
}

/// δ of two layers, and one matrix with its update.
private func rows(
  _ step: Int, loss: Double = 1, isApplied: Bool = true, first: Double = 1, last: Double = 1, weights: Double = 1,
  update: Double = 1e-3
) -> ProbeRows {
  ProbeRows(
    step: step, loss: loss, isApplied: isApplied,
    rows: [
      (Probe(kind: .deltaAfterGate, path: "layers.0.dense", gate: 0), statistics(first)),
      (Probe(kind: .deltaAfterGate, path: "layers.1.dense", gate: 1, sources: [0]), statistics(last)),
      (Probe(kind: .parameter, path: "layers.0.dense/kernel", rank: 2), statistics(weights)),
      (Probe(kind: .parameterUpdate, path: "layers.0.dense/kernel", rank: 2), statistics(update)),
    ])
}

private func bad(_ step: Int, loss: Double = .nan) -> ProbeRows {
  ProbeRows(step: step, loss: loss, isApplied: false, rows: [])
}

/// What a rule says of rows in turn.
private func findings(_ rule: inout some Rule, _ rows: [ProbeRows]) -> [Finding] {
  rows.compactMap { rule.observe($0) }
}

/// The finding that one row opens.
private func opened(_ rule: inout some Rule, _ rows: ProbeRows) throws -> Finding {
  let found = rule.observe(rows)
  return try #require(found)
}

@Suite("What findings say") struct FindingTests {
  // MARK: Words and numbers

  @Test(
    "a number has two digits, whatever it is rounded to",
    arguments: [(9.97e6, "1.0e7×"), (999_700, "1.0e6×"), (4870, "4900×")])
  func words(ratio: Double, words: String) throws {
    var rule = VanishingGradient(observations: 1)
    let found = try opened(&rule, rows(10, first: 1 / ratio, update: 1e-7))
    #expect(found.message.contains(" \(words) "), "\(found.message)")
  }

  @Test("evidence is numbers alone, and what is none is a flag")
  func evidence() throws {
    var (infinite, nan) = (NonFinite(), NonFinite())
    let found = [try opened(&infinite, bad(7, loss: -.infinity)), try opened(&nan, bad(7))]
    #expect(found[0].evidence["lossIsInfinite"] == -1 && found[0].evidence["loss"] == nil)
    #expect(found[1].evidence["lossIsNaN"] == 1)
    // A finite loss beside gradients that are not is what it is.
    var rule = NonFinite()
    #expect(try opened(&rule, bad(7, loss: 2.5)).evidence["loss"] == 2.5)
    var dead = VanishingGradient(observations: 1)
    let vanished = try opened(&dead, rows(10, first: 0))
    #expect(vanished.evidence["noGradient"] == 1 && abs(vanished.evidence["decades"]! - 149 * log10(2)) < 1e-9)
    // Encoding throws where a number is none.
    for finding in found + [vanished] {
      let text = try JSONEncoder().encode(finding)
      #expect(try JSONDecoder().decode(Finding.self, from: text) == finding)
    }
  }

  @Test("a finding of before, without subject and cause, is read")
  func oldFinding() throws {
    let text =
      #"{"rule":"nonFinite","severity":"error","step":2,"layers":["a"],"evidence":{"loss":1},"message":"m"}"#
    let finding = try JSONDecoder().decode(Finding.self, from: Data(text.utf8))
    #expect(finding.subject == nil && finding.cause == nil && finding.evidence == ["loss": 1])
  }

  // MARK: Updates

  @Test("an update that is too large names its layer, and the parameter beside")
  func largeUpdates() throws {
    var rule = ExplodingGradient()
    let found = try #require(findings(&rule, (21...25).map { rows($0, update: 1.5) }).first)
    #expect(found.layers == ["layers.0.dense"] && found.subject == "layers.0.dense/kernel")
    #expect(found.evidence["updateRatio"] == 1.5 && found.message.contains("1.5 times its own size"))
  }

  @Test("updates of less than a millionth from the start are an error, with the number")
  func smallUpdates() throws {
    var rule = SmallUpdates()
    let found = findings(&rule, (1...30).map { rows(10 * $0, update: 4e-10) })
    #expect(found.map(\.step) == [100] && found[0].severity == .error && found[0].evidence["since"] == 10)
    #expect(found[0].message.contains("4.0e-10") && found[0].message.contains("raise training.optimizer.learning_rate"))
    var other = SmallUpdates()
    #expect(findings(&other, (1...30).map { rows(10 * $0, update: 1e-5) }).isEmpty)
  }

  @Test("a rate that decays to nothing is a warning; the end of a schedule and a network that has learnt are none")
  func decay() throws {
    let healthy = (1...20).map { rows(10 * $0) }
    var rule = SmallUpdates()
    let found = findings(&rule, healthy + (21...50).map { rows(10 * $0, update: 1e-8) })
    #expect(found.map(\.step) == [300] && found[0].severity == .warning && found[0].message.contains("since step 210"))
    var (end, learnt) = (SmallUpdates(), SmallUpdates())
    #expect(findings(&end, (1...100).map { rows(10 * $0) } + (101...120).map { rows(10 * $0, update: 1e-8) }).isEmpty)
    #expect(findings(&learnt, healthy + (21...90).map { rows(10 * $0, loss: 0.05, update: 1e-8) }).isEmpty)
  }

  @Test("what a rule remembers goes on from a checkpoint, and a memory that no rule wrote does no harm")
  func memories() {
    var rule = SmallUpdates()
    _ = findings(&rule, (1...9).map { rows(10 * $0, update: 1e-8) })
    var other = SmallUpdates()
    other.memory = rule.memory
    #expect(findings(&other, [rows(100, update: 1e-8), rows(110, update: 1e-8)]).map(\.step) == [100])
    var hostile: [any Rule] = RuleCatalog.all
    let evaluation = EvaluationFacts(
      step: 200, epoch: 1, samples: 60,
      outputs: [
        .init(
          loss: 1, accuracy: 0, trainingLoss: 0.1, trainingAccuracy: 1,
          classes: [
            .init(name: "a", samples: 30, predicted: 60, right: 0),
            .init(name: "b", samples: 30, predicted: 0, right: 0),
          ])
      ])
    for index in hostile.indices {
      let keys =
        Array(hostile[index].memory.keys) + [
          "seen", "grown", "ratio", "loss", "firstLoss", "class.0", "class.255", "loss.0", "lowest", "first", "rate",
        ]
      for number in [Int.max, .min, -1] {
        hostile[index].memory = Dictionary(keys.map { ($0, number) }) { first, _ in first }
        for step in 1...3 {
          var row = rows(step)
          row.facts.classes = StepFacts.Classes(counts: [1, 2], right: 1)
          row.facts.learningRate = 0.1
          _ = hostile[index].observe(row)
        }
        _ = hostile[index].observe(bad(4))
        _ = hostile[index].observe(evaluation)
        _ = hostile[index].memory
      }
    }
  }

  // MARK: What is not finite

  @Test("bad samples that come back are one finding, and after a calm it waits twice as long")
  func floods() {
    var rule = NonFinite()
    #expect(findings(&rule, (0..<11).map { bad(10 + 27 * $0) }).map(\.step) == [10])
    // 280 was the last one.
    #expect(findings(&rule, [bad(380), bad(481)]).map(\.step) == [481])
    #expect(findings(&rule, [bad(600), bad(800), bad(1001)]).map(\.step) == [1001])
  }

  @Test("five in a row behind one that stood alone are another finding; from the first on they are one")
  func lasting() throws {
    var rule = NonFinite()
    let found = findings(&rule, [bad(10)] + (50...60).map { bad($0) })
    #expect(found.map(\.step) == [10, 54] && found[1].evidence["inARow"] == 5)
    #expect(found[1].message.contains("for 5 steps in a row"))
    var other = NonFinite()
    #expect(findings(&other, (10...30).map { bad($0) }).map(\.step) == [10])
    var resumed = NonFinite()
    resumed.memory = rule.memory
    #expect(findings(&resumed, [bad(61), bad(62)]).isEmpty)
  }

  @Test(
    "what helps follows from what was seen before: growth, an update, a loss that rose, nothing, or no look at all",
    arguments: [
      (rows(1, first: 1e9), rows(10, first: 1e9), "cures that"),
      (rows(1), rows(10, first: 1e9, update: 50), "an update changed a layer by 50"),
      (rows(1), rows(10, first: 1e9), "updates made the weights too large"),
      (rows(1), rows(10, update: 0.5), "an update changed a layer by 0.5"),
      (rows(1), rows(10, loss: 80), "The loss had risen from 1.0 to 80"),
      (rows(1), rows(10), "Nothing had grown by step 10"),
    ])
  func before(begun: ProbeRows, seen: ProbeRows, words: String) throws {
    var rule = NonFinite()
    _ = rule.observe(begun)
    _ = rule.observe(seen)
    var resumed = NonFinite()
    resumed.memory = rule.memory
    var found = try opened(&resumed, bad(12))
    found.explain(.operation(label: "layers.0.dense/exp", path: "layers.0.dense", nans: 0, infinities: 3))
    #expect(found.message.contains(words), "\(found.message)")
    #expect(found.layers == ["layers.0.dense"] && found.evidence["infinities"] == 3 && found.cause == "operation")
    #expect(found.message.hasPrefix("layers.0.dense/exp made the first value that is infinite or not a number."))
  }

  @Test("each cause has advice of its own")
  func causes() throws {
    let causes: [(NonFiniteCause, String)] = [
      (.input(field: "images", nans: 2, infinities: 0, samples: [4]), "2 in images, in its sample 5. "),
      (.input(field: "x", nans: 1, infinities: 6, samples: Array(0..<7)), "7 in x, in its samples 1, 2, 3, 4, 5, …. "),
      (.weights("a/kernel"), "a/kernel is infinite or NaN already"),
      (.regularizer(label: "a/reduceSum", path: "a", nans: 0, infinities: 1), "Lower the factor of its regularizer"),
      (.loss(label: "loss/square", nans: 0, infinities: 1), "the outputs of the network are finite"),
      (.backend(command: "switchback diff"), "a backend computes wrongly: switchback diff says which"),
      (.unknown, "before the first look at the gradients"),
    ]
    var messages: Set<String> = []
    for (cause, words) in causes {
      var rule = NonFinite()
      var found = try opened(&rule, bad(3))
      found.explain(cause)
      #expect(found.message.contains(words), "\(found.message)")
      messages.insert(found.message)
      // Weights that are broken are not those of a good step.
      if case .weights = cause { #expect(!found.message.contains("last good step")) }
    }
    #expect(messages.count == causes.count)
  }

  // MARK: Nothing arrives

  /// A layer behind whose gate dropout stands, and the one that reads it: all of δ is lost at the gate.
  @Test(
    "dropout that leaves next to nothing is the culprit, not the gates behind it",
    arguments: [(96, "dropout"), (40, nil)] as [(Double, String?)])
  func dropout(zeros: Double, cause: String?) throws {
    func probe(_ kind: ProbeKind, _ path: String, _ point: Int, _ part: GradientSpan.Part, gate: Int? = nil) -> Probe {
      var probe = Probe(kind: kind, path: path, gate: gate, sources: gate == 1 ? [0] : [])
      (probe.point, probe.origins, probe.part) = (point, point == 0 ? [] : [point - 1], part)
      return probe
    }
    let watched = [
      (probe(.deltaAfterGate, "a", 0, .weights, gate: 0), statistics(0, zeros: 100)),
      (probe(.deltaBeforeGate, "a", 1, .gate, gate: 0), statistics(0.1, zeros: zeros)),
      (probe(.deltaBetween, "drop", 2, .dropout), statistics(1)),
      (probe(.deltaAfterGate, "b", 3, .weights, gate: 1), statistics(1)),
    ]
    var rule = VanishingGradient(observations: 1)
    let found = try opened(&rule, ProbeRows(step: 10, loss: 1, rows: watched))
    #expect(found.cause == cause && found.subject == "a", "\(found)")
    #expect(found.message.contains("dropout sets 96 % to 0") == (cause == "dropout"))
  }

  @Test("units that an update killed are told from those that never were on")
  func killed() throws {
    var (killed, never) = (VanishingGradient(observations: 2), VanishingGradient(observations: 2))
    let dead = (1...2).map { step in
      ProbeRows(
        step: 40 + step, loss: 1,
        rows: [
          (Probe(kind: .deltaBeforeGate, path: "a", gate: 0), statistics(1)),
          (Probe(kind: .deltaAfterGate, path: "a", gate: 0), statistics(0, zeros: 100)),
          (Probe(kind: .deltaAfterGate, path: "b", gate: 1, sources: [0]), statistics(1)),
        ])
    }
    let found = try #require(findings(&killed, [rows(30)] + dead).first)
    #expect(found.cause == "update" && found.evidence["lastArrival"] == 30)
    #expect(found.message.contains("an update did that, before step 42. Lower"))
    #expect(try #require(findings(&never, dead).first).cause == nil)
  }
}
