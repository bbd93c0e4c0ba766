import SwitchbackMonitoring

/// A look at two layers and one kernel, as a rule sees it.
func seen(
  _ step: Int, loss: Double = 1, update: Double = 1e-3, gradient: Double = 1, weights: Double = 1, first: Double = 1,
  courses: [(probe: Probe, course: TimeCourse)] = [], facts: (inout StepFacts) -> Void = { _ in }
) -> ProbeRows {
  func statistics(_ norm: Double) -> TensorStatistics { TensorStatistics(count: 100, l2: norm) }
  var known = StepFacts()
  facts(&known)
  return ProbeRows(
    step: step, loss: loss,
    rows: [
      (Probe(kind: .deltaAfterGate, path: "layers.0.dense", gate: 0), statistics(first)),
      (Probe(kind: .deltaAfterGate, path: "layers.1.dense", gate: 1, sources: [0]), statistics(1)),
      (Probe(kind: .parameter, path: "layers.0.dense/kernel", rank: 2), statistics(weights)),
      (Probe(kind: .parameterGradient, path: "layers.0.dense/kernel", rank: 2), statistics(gradient)),
      (Probe(kind: .parameterUpdate, path: "layers.0.dense/kernel", rank: 2), statistics(update)),
    ], courses: courses, facts: known)
}

/// The steps of a run that are looked at: the first 20, then every tenth.
func looks(to last: Int) -> [Int] { Array(1...20) + stride(from: 30, through: last, by: 10) }

/// What a rule finds in rows in turn; `resumed`: before each a fresh rule takes over its memory.
func findings<R: Rule>(by rule: R, in rows: [ProbeRows], resumed: Bool = false) -> [Finding] {
  var now = rule
  return rows.compactMap { row in
    if resumed { now = goingOn(now, as: rule) }
    return now.observe(row)
  }
}

/// The same in evaluations.
func findings<R: Rule>(by rule: R, in evaluations: [EvaluationFacts], resumed: Bool = false) -> [Finding] {
  var now = rule
  return evaluations.compactMap { evaluation in
    if resumed { now = goingOn(now, as: rule) }
    return now.observe(evaluation)
  }
}

private func goingOn<R: Rule>(_ rule: R, as fresh: R) -> R {
  var next = fresh
  next.memory = rule.memory
  return next
}
