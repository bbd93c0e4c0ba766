extension ProbeRows {
  /// One line of JSON for the run folder: the step and, for each probe, its numbers; of recurrent
  /// layers ‖δ‖ by step of time, the one taken last first. Values that are not finite are
  /// written as text, since JSON has no word for them.
  public var json: String {
    func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "\"\(value)\"" }
    let texts = rows.map { probe, s in
      "{\"path\":\"\(probe.path)\",\"kind\":\"\(probe.kind.rawValue)\",\"l2\":\(number(s.l2)),"
        + "\"mean\":\(number(s.mean)),\"m2\":\(number(s.m2)),\"absMax\":\(number(s.absMax)),"
        + "\"zeros\":\(number(s.zeros)),\"nans\":\(number(s.nans)),\"infinities\":\(number(s.infinities)),"
        + "\"count\":\(number(s.count))}"
    }
    let lines = courses.map { probe, course in
      "{\"path\":\"\(probe.path)\",\"norms\":[\(course.norms.map(number).joined(separator: ","))]}"
    }
    let overTime = lines.isEmpty ? "" : ",\"overTime\":[\(lines.joined(separator: ","))]"
    return "{\"step\":\(step),\"loss\":\(number(loss)),\"probes\":[\(texts.joined(separator: ","))]\(overTime)}"
  }
}
